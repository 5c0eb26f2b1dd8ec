package rtnl

import "github.com/nkconform/nkconform/mprog"

// vethPeer is VETH_INFO_PEER.
const vethPeer = 1

// ReplaceNetnsFDs puts other fds in place of those by which a datagram's
// requests name network namespaces.
func ReplaceNetnsFDs(datagram []byte, replace func(fd uint32) uint32) {
	each := func(typ uint16, value []byte) {
		if typ == attrNetnsFD && len(value) >= 4 {
			native.PutUint32(value, replace(native.Uint32(value)))
		}
	}
	for _, m := range split(datagram) {
		if (m.typ == newNSID || m.typ == getNSID) && len(m.body) >= genericSize {
			walk(m.body[genericSize:], func(typ uint16, value []byte) {
				if typ == nsidFD && len(value) >= 4 {
					native.PutUint32(value, replace(native.Uint32(value)))
				}
			})
		}
		if m.typ != newLink && m.typ != setLink || len(m.body) < infoSize {
			continue
		}
		walk(m.body[infoSize:], func(typ uint16, value []byte) {
			each(typ, value)
			if typ != attrLinkInfo {
				return
			}
			info, _ := parseAttributes(value)
			if info.text(infoKind) != "veth" {
				return
			}
			walk(info[infoData], func(typ uint16, value []byte) {
				if typ == vethPeer && len(value) >= infoSize {
					walk(value[infoSize:], each)
				}
			})
		})
	}
}

// Changes reports whether a datagram's requests may change devices.
func Changes(datagram []byte) bool {
	for _, m := range split(datagram) {
		if m.typ == newLink || m.typ == delLink || m.typ == setLink {
			return true
		}
	}
	return false
}

// Lookup makes a request for a device by its ifindex.
func Lookup(ifindex, seq uint32) []byte { return lookup(ifindex, "", seq) }

func lookup(ifindex uint32, name string, seq uint32) []byte {
	body := make([]byte, infoSize)
	native.PutUint32(body[4:], ifindex)
	if name != "" {
		body = appendText(body, attrName, name)
	}
	return appendMessage(nil, message{typ: getLink, flags: flagRequest, seq: seq, body: body})
}

// Refused returns the errno of an answer to a request, 0 if it is no refusal,
// and whether it is an answer to that request.
func Refused(datagram []byte, seq uint32) (errno mprog.Errno, answer bool) {
	for _, m := range split(datagram) {
		if m.seq != seq {
			continue
		}
		if m.typ == msgError && len(m.body) >= 4 {
			return mprog.Errno(-int32(native.Uint32(m.body))), true
		}
		return 0, true
	}
	return 0, false
}

// NetnsFD returns the fd by which the first request names a network namespace.
func NetnsFD(datagram []byte) (fd uint32, ok bool) {
	for _, m := range split(datagram) {
		if len(m.body) >= infoSize {
			attrs, _ := parseAttributes(m.body[infoSize:])
			return attrs.u32(attrNetnsFD)
		}
	}
	return 0, false
}
