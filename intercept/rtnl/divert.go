package rtnl

import "encoding/binary"

// Requests that have the running kernel hand all that a device sends, or receives, to
// another one: a clsact qdisc, and a filter that redirects (cls_u32, act_mirred).

// Side is where a filter looks: at what a device receives, or at what it sends.
type Side uint32

// The sides (TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS) and so on).
const (
	Ingress Side = 0xfffffff2
	Egress  Side = 0xfffffff3
)

const (
	everyType = 3 // ETH_P_ALL

	u32Device   = 8 // TCA_U32_INDEV
	u32Selector = 5
	u32Actions  = 7
	u32Terminal = 1 // TC_U32_TERMINAL

	actionKind    = 1
	actionOptions = 2
	mirredParms   = 2
	stolen        = 4 // TC_ACT_STOLEN
	toEgress      = 1 // TCA_EGRESS_REDIR
	toIngress     = 3 // TCA_INGRESS_REDIR
)

func (a Ask) traffic(typ uint16, ifindex, handle, parent, info uint32, attrs []byte) []byte {
	body := make([]byte, tcSize)
	native.PutUint32(body[4:], ifindex)
	native.PutUint32(body[8:], handle)
	native.PutUint32(body[12:], parent)
	native.PutUint32(body[16:], info)
	return appendMessage(nil, message{
		typ: typ, flags: flagRequest | flagAck | flagCreate, seq: a.Seq, body: append(body, attrs...),
	})
}

// AddClsact gives a device a clsact qdisc.
func (a Ask) AddClsact(ifindex uint32) []byte {
	return a.traffic(newQdisc, ifindex, clsactHandle, clsactParent, 0, appendText(nil, tcKind, "clsact"))
}

// DeleteClsact takes it away, with its filters.
func (a Ask) DeleteClsact(ifindex uint32) []byte {
	return a.traffic(delQdisc, ifindex, clsactHandle, clsactParent, 0, nil)
}

// Match is what a filter looks for: words of a packet, from its network layer's header
// on, at offsets that may be negative.
type Match struct {
	Offset      int32
	Value, Mask uint32
}

// filter makes a filter for all packets that match.
func (a Ask) filter(ifindex uint32, side Side, priority uint32, matches []Match, more []byte) []byte {
	selector := make([]byte, 16)
	selector[0], selector[2] = u32Terminal, byte(len(matches))
	for _, m := range matches {
		selector = binary.BigEndian.AppendUint32(selector, m.Mask)
		selector = binary.BigEndian.AppendUint32(selector, m.Value)
		selector = native.AppendUint32(selector, uint32(m.Offset))
		selector = native.AppendUint32(selector, 0)
	}
	options := append(appendAttribute(nil, u32Selector, selector), more...)
	attrs := appendAttribute(appendText(nil, tcKind, "u32"), tcOptions, options)
	protocol := uint32(binary.BigEndian.Uint16(native.AppendUint16(nil, everyType)))
	return a.traffic(newFilter, ifindex, 0, uint32(side), priority<<16|protocol, attrs)
}

// Redirect has all packets on a side of a device sent by another one, or received
// there.
func (a Ask) Redirect(ifindex uint32, side Side, priority, to uint32, way Side) []byte {
	direction := uint32(toEgress)
	if way == Ingress {
		direction = toIngress
	}
	parms := make([]byte, 28) // struct tc_mirred
	native.PutUint32(parms[8:], stolen)
	native.PutUint32(parms[20:], direction)
	native.PutUint32(parms[24:], to)
	action := appendText(nil, actionKind, "mirred")
	action = appendAttribute(action, actionOptions, appendAttribute(nil, mirredParms, parms))
	return a.filter(ifindex, side, priority, nil, appendAttribute(nil, u32Actions, appendAttribute(nil, 1, action)))
}

// LetPass has packets that match, or that came in by a device, pass what comes behind.
func (a Ask) LetPass(ifindex uint32, side Side, priority uint32, matches []Match, from string) []byte {
	var more []byte
	if from != "" {
		more = appendText(nil, u32Device, from)
	}
	return a.filter(ifindex, side, priority, matches, more)
}

// Silent are attributes of a device that sends nothing by itself.
func Silent() []byte {
	const (
		families = 26 // IFLA_AF_SPEC
		inet6    = 10 // AF_INET6
		genMode  = 8  // IFLA_INET6_ADDR_GEN_MODE
		none     = 1  // IN6_ADDR_GEN_MODE_NONE
	)
	return appendAttribute(nil, families, appendAttribute(nil, inet6, appendU8(nil, genMode, none)))
}

// FirstHidden is the lowest ifindex of devices that programs are not told of.
const FirstHidden = 0x7fff0000

// hidden reports whether a message of the running kernel's is about what programs are
// not told of: such a device, or a qdisc at TC_H_CLSACT, of which they are told here alone,
// and its filters, unless it is lent.
func (s *Server) hidden(netns uint64, m message) bool {
	switch m.typ {
	case newLink, delLink, newAddress, delAddress:
		return len(m.body) >= 8 && native.Uint32(m.body[4:]) >= FirstHidden
	case newQdisc, delQdisc, newFilter, delFilter, newChain, delChain:
		if len(m.body) < tcSize {
			return false
		}
		index, parent := native.Uint32(m.body[4:]), native.Uint32(m.body[12:])
		if m.typ == newQdisc || m.typ == delQdisc {
			return parent == clsactParent || index >= FirstHidden && index != magicBlock
		}
		own := parent == uint32(Ingress) || parent == uint32(Egress) ||
			parent == clsactHandle && (m.typ == newChain || m.typ == delChain)
		return own && !s.Lent(netns, index) || index >= FirstHidden && index != magicBlock
	}
	return false
}

const (
	newAddress = 20 // RTM_NEWADDR
	delAddress = 21 // RTM_DELADDR
)
