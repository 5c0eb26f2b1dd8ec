package rtnl

import (
	"fmt"
	"strings"

	"github.com/nkconform/nkconform/mprog"
)

// explain answers a request, and tells what was asked, what was answered, and by whom.
func (s *Server) explain(k *Socket, m message) {
	asked := s.asked(k, m)
	send, forward := k.Send, k.Forward
	var got []message
	by := "nkconform"
	k.Send = func(p []byte) {
		got = append(got, split(p)...)
		send(p)
	}
	if forward != nil {
		k.Forward = func(p []byte) [][]byte {
			if asked := split(p); len(asked) > 0 && asked[0].seq == m.seq { // else nkconform asks
				by = "the kernel"
			}
			return forward(p)
		}
	}
	s.request(k, m)
	k.Send, k.Forward = send, forward
	k.Explain(asked, answered(m, got)+", by "+by)
}

// names are those of types of messages (include/uapi/linux/rtnetlink.h): what the four
// of a kind are about, by the first one's number.
var names = map[uint16]string{
	16: "LINK", 20: "ADDR", 24: "ROUTE", 28: "NEIGH", 32: "RULE", 36: "QDISC", 40: "TCLASS", 44: "TFILTER",
	48: "ACTION", 52: "PREFIX", 56: "MULTICAST", 60: "ANYCAST", 64: "NEIGHTBL", 68: "NDUSEROPT", 72: "ADDRLABEL",
	76: "DCB", 80: "NETCONF", 84: "MDB", 88: "NSID", 92: "STATS", 100: "CHAIN", 104: "NEXTHOP", 108: "LINKPROP",
	112: "VLAN", 116: "NEXTHOPBUCKET", 120: "TUNNEL",
}

// title is the name of a message's type.
func title(typ uint16) string {
	name, known := names[typ&^3]
	if !known {
		return fmt.Sprintf("message %d", typ)
	}
	return "RTM_" + []string{"NEW", "DEL", "GET", "SET"}[typ&3] + name
}

// asked says what a request is.
func (s *Server) asked(k *Socket, m message) string {
	words := []string{title(m.typ)}
	if m.flags&flagDump == flagDump && m.typ&3 == 2 {
		words = append(words, "all")
	}
	switch {
	case m.typ >= newLink && m.typ <= setLink && len(m.body) >= infoSize:
		words = append(words, s.askedLink(k, m)...)
	case m.typ>>2 == newQdisc>>2 || m.typ>>2 == newFilter>>2 || m.typ>>2 == newChain>>2:
		if len(m.body) >= tcSize {
			attrs, _ := parseAttributes(m.body[tcSize:])
			words = append(words, s.deviceWord(k, native.Uint32(m.body[4:]), ""), kindWord(attrs.text(tcKind)))
		}
	case m.typ>>2 == newAddress>>2 && len(m.body) >= 8:
		words = append(words, s.deviceWord(k, native.Uint32(m.body[4:]), ""))
	}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

func (s *Server) askedLink(k *Socket, m message) (words []string) {
	attrs, _ := parseAttributes(m.body[infoSize:])
	index := native.Uint32(m.body[4:])
	words = append(words, s.deviceWord(k, index, attrs.text(attrName)))
	if attrs[attrXDP] != nil && m.typ != getLink {
		words = append(words, "xdp")
	}
	info := attrs.nested(attrLinkInfo)
	words = append(words, kindWord(info.text(infoKind)))
	if info.text(infoKind) == kind {
		words = append(words, askedNetkit(info.nested(infoData))...)
	}
	if name := attrs.text(attrName); name != "" && index != 0 {
		words = append(words, "name", name)
	}
	if n, ok := attrs.u32(attrNetnsFD); ok {
		words = append(words, fmt.Sprintf("netns fd %d", n))
	}
	if n, ok := attrs.u32(attrNetnsPID); ok {
		words = append(words, fmt.Sprintf("netns pid %d", n))
	}
	switch flags, change := native.Uint32(m.body[8:]), native.Uint32(m.body[12:]); {
	case flags&FlagUp != 0:
		words = append(words, "up")
	case change&FlagUp != 0:
		words = append(words, "down")
	}
	return words
}

// askedNetkit says what is asked of a netkit device.
func askedNetkit(data attributes) (words []string) {
	word := func(typ uint16, name string, values map[uint32]string) {
		v, ok := data.u32(typ)
		if !ok {
			return
		}
		text, known := values[v]
		if !known {
			text = fmt.Sprint(v)
		}
		words = append(words, name, text)
	}
	policies := map[uint32]string{policyPass: "forward", policyDrop: "blackhole"}
	scrubs := map[uint32]string{0: "none", scrubOn: "default"}
	word(netkitMode, "mode", map[uint32]string{modeL2: "l2", modeL3: "l3"})
	word(netkitPolicy, "policy", policies)
	word(netkitPeerPolicy, "peer policy", policies)
	word(netkitScrub, "scrub", scrubs)
	word(netkitPeerScrub, "peer scrub", scrubs)
	word(netkitPairing, "pairing", map[uint32]string{0: "pair", pairingSingle: "single"})
	if p := data[netkitPeer]; len(p) >= infoSize {
		peer, _ := parseAttributes(p[infoSize:])
		words = append(words, "peer", peer.text(attrName))
	}
	return words
}

func kindWord(kind string) string {
	if kind == "" {
		return ""
	}
	return "kind " + kind
}

// deviceWord is the name of a device, as far as it is known.
func (s *Server) deviceWord(k *Socket, index uint32, name string) string {
	if index == 0 {
		return name
	}
	if d := s.ByIndex(k.Netns, index); d != nil {
		return d.Name
	}
	return fmt.Sprintf("ifindex %d", index)
}

// answered says what the answer to a request is.
func answered(m message, got []message) string {
	parts := 0
	for _, a := range got {
		switch {
		case a.seq != m.seq:
		case a.typ == msgError && len(a.body) >= 4:
			if errno := mprog.Errno(-int32(native.Uint32(a.body))); errno != 0 {
				return "-1 " + errno.String() + words(a)
			}
		case a.typ != msgDone:
			parts++
		}
	}
	if parts == 1 {
		return "1 message"
	}
	if parts > 1 {
		return fmt.Sprintf("%d messages", parts)
	}
	return "ok"
}

// words are what an answer says besides its number (NLMSGERR_ATTR_MSG).
func words(a message) string {
	const told, capped, text = 0x200, flagCapped, 1
	if a.flags&told == 0 || len(a.body) < 4+headerSize {
		return ""
	}
	at := 4 + headerSize
	if a.flags&capped == 0 {
		at = 4 + align(int(native.Uint32(a.body[4:])))
	}
	if at > len(a.body) {
		return ""
	}
	attrs, _ := parseAttributes(a.body[at:])
	if said := attrs.text(text); said != "" {
		return fmt.Sprintf(" (%s)", said)
	}
	return ""
}
