package rtnl

import (
	"bytes"
	"encoding/binary"

	"github.com/nkconform/nkconform/mprog"
)

var native = binary.NativeEndian

// Types of messages and flags (include/uapi/linux/netlink.h,
// include/uapi/linux/rtnetlink.h).
const (
	msgError = 2
	msgDone  = 3
	firstRT  = 16 // RTM_BASE
	newLink  = 16
	delLink  = 17
	getLink  = 18
	setLink  = 19

	flagRequest  = 0x1
	flagMulti    = 0x2
	flagAck      = 0x4
	flagDump     = 0x300
	flagCapped   = 0x100 // in an answer: without the request
	flagReplace  = 0x100
	flagExcl     = 0x200
	flagFiltered = 0x20 // NLM_F_DUMP_FILTERED
	flagCreate   = 0x400

	headerSize = 16 // sizeof(struct nlmsghdr)
	infoSize   = 16 // sizeof(struct ifinfomsg)
)

// message is a netlink message: a header and what follows it.
type message struct {
	typ, flags uint16
	seq, port  uint32
	body       []byte
	raw        []byte // header and body
}

// split cuts a datagram into messages; what is no message is dropped.
func split(p []byte) (list []message) {
	for len(p) >= headerSize {
		n := native.Uint32(p)
		if n < headerSize || uint64(n) > uint64(len(p)) {
			break
		}
		list = append(list, message{
			typ: native.Uint16(p[4:]), flags: native.Uint16(p[6:]), seq: native.Uint32(p[8:]), port: native.Uint32(p[12:]),
			body: p[headerSize:n], raw: p[:n],
		})
		p = p[min(align(int(n)), len(p)):]
	}
	return list
}

func align(n int) int { return (n + 3) &^ 3 }

// appendMessage appends a message and what fills it up to a multiple of 4.
func appendMessage(p []byte, m message) []byte {
	p = native.AppendUint32(p, uint32(headerSize+len(m.body)))
	p = native.AppendUint16(p, m.typ)
	p = native.AppendUint16(p, m.flags)
	p = native.AppendUint32(p, m.seq)
	p = native.AppendUint32(p, m.port)
	p = append(p, m.body...)
	return append(p, make([]byte, align(len(m.body))-len(m.body))...)
}

// answerTo makes an answer to a request: NLMSG_ERROR, which with errno 0 is the
// acknowledgement. A capped one leaves the request out.
func answerTo(m message, port uint32, errno mprog.Errno, capped bool) []byte {
	a := message{typ: msgError, seq: m.seq, port: port, body: native.AppendUint32(nil, uint32(-int32(errno)))}
	if errno == 0 || capped {
		a.flags = flagCapped
		a.body = append(a.body, m.raw[:headerSize]...)
	} else {
		a.body = append(a.body, m.raw...)
	}
	return appendMessage(nil, a)
}

// attributes are by type; of several with one type the last counts.
type attributes map[uint16][]byte

// typeMask leaves out the flags in an attribute's type.
const typeMask = 0x3fff

// parseAttributes returns false for bytes that are no attributes.
func parseAttributes(p []byte) (attributes, bool) {
	list := attributes{}
	ok := walk(p, func(typ uint16, value []byte) { list[typ] = value })
	return list, ok
}

// walk calls for every attribute.
func walk(p []byte, each func(typ uint16, value []byte)) bool {
	return walkFlagged(p, func(flagged uint16, value []byte) { each(flagged&typeMask, value) })
}

// walkFlagged is walk, with the flags in types (NLA_F_NESTED).
func walkFlagged(p []byte, each func(flagged uint16, value []byte)) bool {
	for len(p) >= 4 {
		n := int(native.Uint16(p))
		if n < 4 || n > len(p) {
			return false
		}
		each(native.Uint16(p[2:]), p[4:n])
		p = p[min(align(n), len(p)):]
	}
	return true
}

// edited copies attributes, with other values of them, nil for none.
func edited(attrs []byte, each func(typ uint16, value []byte) []byte) (p []byte) {
	for len(attrs) >= attributeHeader {
		n := int(native.Uint16(attrs))
		if n < attributeHeader || n > len(attrs) {
			return p
		}
		flagged := native.Uint16(attrs[2:])
		if value := each(flagged&typeMask, attrs[attributeHeader:n]); value != nil {
			p = appendAttribute(p, flagged, value)
		}
		attrs = attrs[min(align(n), len(attrs)):]
	}
	return p
}

func (a attributes) text(typ uint16) string {
	s, _, _ := bytes.Cut(a[typ], []byte{0})
	return string(s)
}

func (a attributes) u32(typ uint16) (v uint32, ok bool) {
	p := a[typ]
	if len(p) < 4 {
		return 0, false
	}
	return native.Uint32(p), true
}

func (a attributes) nested(typ uint16) attributes {
	list, _ := parseAttributes(a[typ])
	return list
}

// appendAttribute appends an attribute and what fills it up.
func appendAttribute(p []byte, typ uint16, value []byte) []byte {
	p = native.AppendUint16(p, uint16(4+len(value)))
	p = native.AppendUint16(p, typ)
	p = append(p, value...)
	return append(p, make([]byte, align(len(value))-len(value))...)
}

func appendU32(p []byte, typ uint16, v uint32) []byte {
	return appendAttribute(p, typ, native.AppendUint32(nil, v))
}

func appendU16(p []byte, typ uint16, v uint16) []byte {
	return appendAttribute(p, typ, native.AppendUint16(nil, v))
}

func appendU8(p []byte, typ uint16, v uint8) []byte { return appendAttribute(p, typ, []byte{v}) }

func appendText(p []byte, typ uint16, s string) []byte {
	return appendAttribute(p, typ, append([]byte(s), 0))
}
