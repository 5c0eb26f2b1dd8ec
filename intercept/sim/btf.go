package sim

import "github.com/nkconform/nkconform/mprog"

// btf is type information, of which only the header is looked at.
type btf struct {
	sim    *Sim
	id     uint32
	refs   int
	data   []byte
	types  []btfType // by id, once somebody asked
	name   string
	kernel bool          // the kernel's own or a module's, which stays
	read   func() []byte // of such a one, whose data nobody has asked for yet
}

func (b *btf) object() *Object { return &Object{Kind: BTF, ID: b.id, sim: b.sim, b: b} }

func (s *Sim) putBTF(b *btf) {
	if b.refs--; b.refs == 0 {
		delete(s.btfs.byID, b.id)
	}
}

const (
	btfMagic   = 0xeb9f
	btfMaxSize = 16 << 20 // BTF_MAX_SIZE
	btfHeader  = 24       // sizeof(struct btf_header)
)

// btfLoad is bpf_btf_load and btf_parse_hdr.
func (k *call) btfLoad() error {
	address, size := k.u64(0), k.u32(16)
	if size > btfMaxSize {
		return refuse("btf/size", mprog.E2BIG, "btf_size %d is more than %d", size, btfMaxSize)
	}
	if size < btfHeader {
		return refuse("btf/header", mprog.EINVAL, "btf_size %d is less than the header's %d", size, btfHeader)
	}
	data := make([]byte, size)
	if err := k.read(address, data); err != nil {
		return err
	}
	if magic := native.Uint16(data); magic != btfMagic || data[2] != 1 || data[3] != 0 {
		return refuse("btf/header", mprog.EINVAL, "magic %#x, version %d, flags %#x", magic, data[2], data[3])
	}
	header, body := native.Uint32(data[4:]), uint64(size)
	if header < btfHeader || uint64(header) > body {
		return refuse("btf/header", mprog.EINVAL, "header of %d bytes", header)
	}
	for _, part := range [][2]uint32{
		{native.Uint32(data[8:]), native.Uint32(data[12:])},  // types
		{native.Uint32(data[16:]), native.Uint32(data[20:])}, // strings
	} {
		if uint64(header)+uint64(part[0])+uint64(part[1]) > body {
			return refuse("btf/header", mprog.EINVAL, "a section of %d bytes at %d is outside of the data", part[1], part[0])
		}
	}
	b := &btf{sim: k.Sim, refs: 1, data: data}
	b.id = k.btfs.add(b)
	k.New = b.object()
	return nil
}

// btfByFD finds the BTF behind an fd (btf_get_by_fd).
func (k *call) btfByFD(what string, fd uint32) (*btf, error) {
	o, open := k.caller.Object(fd)
	switch {
	case !open:
		return nil, refuse("btf/bad-fd", mprog.EBADF, "%s %d is not open", what, int32(fd))
	case o == nil || o.Kind != BTF:
		return nil, refuse("btf/not-btf", mprog.EINVAL, "%s %d is no BTF", what, int32(fd))
	}
	return o.b, nil
}

// btfInfo fills a struct bpf_btf_info and copies the BTF out
// (btf_get_info_by_fd). A name that has no room is cut off, which is ENOSPC.
func (k *call) btfInfo(o *Object, p []byte) error {
	b := o.b
	address, room := native.Uint64(p), native.Uint32(p[8:])
	name, nameLen := native.Uint64(p[16:]), native.Uint32(p[24:])
	size := uint32(len(b.bytes()))
	if n := min(room, size); n > 0 {
		if err := k.write(Segment{address, b.bytes()[:n]}); err != nil {
			return err
		}
	}
	if (name == 0) != (nameLen == 0) {
		return refuse("info/btf-name", mprog.EINVAL, "name at %#x with name_len %d", name, nameLen)
	}
	if name != 0 {
		text := append([]byte(b.name), 0)
		if int(nameLen) < len(text) {
			k.after = refuse("info/btf-name", mprog.ENOSPC, "name_len %d: the name has %d bytes", nameLen, len(b.name))
			text = append(text[:nameLen-1], 0)
		}
		if err := k.write(Segment{name, text}); err != nil {
			return err
		}
	}
	native.PutUint32(p[8:], size)
	native.PutUint32(p[12:], b.id)
	native.PutUint32(p[24:], uint32(len(b.name)))
	native.PutUint32(p[28:], 0)
	if b.kernel {
		native.PutUint32(p[28:], 1)
	}
	return nil
}
