package rtnl

import "github.com/nkconform/nkconform/mprog"

// What large packets a device takes. A device that stands for a netkit device takes
// shorter ones, so greater sizes are kept here.

// Attributes of a link.
const (
	attrGSOSegments = 40
	attrGSOSize     = 41
	attrGROSize     = 58
	attrTSOSize     = 59
	attrTSOSegments = 60
	attrGSOSize4    = 63
	attrGROSize4    = 64

	mostSegments = 65535  // GSO_MAX_SEGS
	mostSize     = 524280 // GSO_MAX_SIZE
	legacySize   = 65536  // GSO_LEGACY_MAX_SIZE
)

// sizes are the attributes that can be set, in the order in which they are looked at.
var sizes = []struct {
	typ   uint16
	most  uint32
	words string
}{
	{attrGSOSize, mostSize, "too big gso_max_size"}, {attrGSOSegments, mostSegments, "too big gso_max_segs"},
	{attrGROSize, mostSize, "too big gro_max_size"}, {attrGSOSize4, mostSize, "too big gso_ipv4_max_size"},
	{attrGROSize4, mostSize, "too big gro_ipv4_max_size"},
}

// segments checks and keeps them.
func (d *Device) segments(r *linkRequest, attrs attributes) error {
	for _, typ := range []uint16{attrTSOSize, attrTSOSegments} {
		if p, set := attrs[typ]; set {
			return r.blame(p, mprog.EINVAL, shortAttribute)
		}
	}
	for _, size := range sizes {
		p, set := attrs[size.typ]
		if !set {
			continue
		}
		if why := u32Number.check(r, p); why != nil {
			return why
		}
		if native.Uint32(p) > size.most {
			return refused(mprog.EINVAL, size.words)
		}
	}
	for typ := range greatSizes {
		v, set := attrs.u32(typ)
		switch {
		case !set:
		case v > legacySize:
			d.great[typ] = v
		default:
			delete(d.great, typ)
			if typ == attrGSOSize { // which is for both then
				delete(d.great, attrGSOSize4)
			}
		}
	}
	return nil
}

// greatSizes are those that can be greater than what stands for a device takes.
var greatSizes = map[uint16]bool{attrGSOSize: true, attrGSOSize4: true}

// keptHere reports whether an attribute of a request is not for the running kernel.
func keptHere(typ uint16, value []byte) bool {
	return greatSizes[typ] && len(value) >= 4 && native.Uint32(value) > legacySize
}
