package rtnl

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

// The releases that differ.
var (
	newest  = Netkit{Pairs: true, Scrub: true, Room: true, Single: true} // as Linux 7.1 and 7.3
	between = Netkit{Pairs: true, Scrub: true, Room: true}               // as 6.16 and 6.18
	oldest  = Netkit{Pairs: true, Scrub: true}                           // as 6.12
)

// told is an answer's errno, and what is told besides as the kernel's words and the
// offset that it blames.
func (c *client) told() string {
	for _, m := range c.got {
		if m.typ != msgError || m.seq != 3 {
			continue
		}
		errno := mprog.Errno(-int32(native.Uint32(m.body)))
		text := "ok"
		if errno != 0 {
			text = errno.String()
		}
		if m.flags&0x200 == 0 {
			return text
		}
		behind, _ := parseAttributes(m.body[4+headerSize:]) // the answer is capped
		if words := behind.text(1); words != "" {
			text += " " + words
		}
		if offset, set := behind.u32(2); set {
			text += fmt.Sprintf(" off=%d", offset)
		}
		return text
	}
	return "no answer"
}

// data are a netkit device's attributes as the kernel lists them: type=value.
func (c *client) data(t *testing.T, name string) string {
	require.Zero(t, c.link(getLink, 0, 0, 0, appendText(nil, attrName, name)))
	attrs, _ := parseAttributes(c.got[0].body[infoSize:])
	var list []string
	walk(attrs.nested(attrLinkInfo)[infoData], func(typ uint16, value []byte) {
		list = append(list, fmt.Sprintf("%d=%x", typ, value))
	})
	return strings.Join(list, " ")
}

func join2(parts ...[]byte) (p []byte) {
	for _, part := range parts {
		p = append(p, part...)
	}
	return p
}

func ofNetkit(data ...[]byte) []byte {
	return appendAttribute(nil, attrLinkInfo, appendAttribute(appendText(nil, infoKind, kind), infoData, join2(data...)))
}

// What Linux 6.12.118, 6.18.15 and 7.3.4 answer to the same requests, in a guest; 6.16
// as 6.18, and 7.1 as 7.3.
func TestAnswersByRelease(t *testing.T) {
	u32 := func(typ uint16, v uint32) []byte { return appendU32(nil, typ, v) }
	u16 := func(typ uint16, v uint16) []byte { return appendU16(nil, typ, v) }
	single := u32(netkitPairing, pairingSingle)
	const (
		badPolicy   = "EINVAL Provided default xmit policy not supported off=60"
		great       = "ERANGE integer out of range off=60"
		unknown     = "EOPNOTSUPP"
		nameTooLong = "ERANGE " + shortAttribute + " off=40"
	)
	for _, tc := range []struct {
		name               string
		attrs              []byte // before those of the kind
		data               []byte
		on612, on618, on73 string
	}{
		{"plain", nil, nil, "ok", "ok", "ok"},
		{"name too long", appendText(nil, attrName, "0123456789abcdef"), nil, nameTooLong, nameTooLong, nameTooLong},
		{"mode 2", nil, u32(netkitMode, 2), "EINVAL Provided device mode can only be L2 or L3 off=60", great, great},
		{"mode too short", nil, appendU8(nil, netkitMode, 0), "ERANGE " + shortAttribute + " off=60", "ERANGE " + shortAttribute + " off=60", "ERANGE " + shortAttribute + " off=60"},
		{"policy 1", nil, u32(netkitPolicy, 1), badPolicy, badPolicy, badPolicy},
		{"peer policy 1", nil, u32(netkitPeerPolicy, 1), badPolicy, badPolicy, badPolicy},
		{"scrub 2", nil, u32(netkitScrub, 2), great, great, great},
		{"primary", nil, appendU8(nil, netkitPrimary, 1), "EINVAL Primary attribute is read-only off=60", "EINVAL Primary attribute is read-only off=60", "EINVAL Primary attribute is read-only off=60"},
		{"peer too short", nil, appendAttribute(nil, netkitPeer, []byte{1, 2, 3, 4}), "ERANGE " + shortAttribute + " off=60", "ERANGE " + shortAttribute + " off=60", "ERANGE " + shortAttribute + " off=60"},
		{"pairing 2", nil, u32(netkitPairing, 2), "ok", "ok", great},
		{"unknown", nil, u32(20, 1), "ok", "ok", "ok"},
		{"single, policy pass", nil, join2(single, u32(netkitPolicy, policyPass)), "ok", "ok", "ok"},
		{"single, policy drop", nil, join2(single, u32(netkitPolicy, policyDrop)), "ok", "ok", unknown},
		{"single, scrub", nil, join2(single, u32(netkitScrub, scrubOn)), "ok", "ok", unknown},
		{"single, peer policy", nil, join2(single, u32(netkitPeerPolicy, policyPass)), "ok", "ok", unknown},
		{"single, headroom", nil, join2(single, u16(netkitHeadroom, 64)), "ok", "ok", "ok"},
		{"no transmit queue", u32(attrTxQueues, 0), nil, "EINVAL Invalid number of transmit queues", "EINVAL Invalid number of transmit queues", "EINVAL Invalid number of transmit queues"},
		{"transmit queues", u32(attrTxQueues, 2), nil, "ok", "ok", unknown},
		{"too many", u32(attrTxQueues, 4097), nil, "EINVAL Invalid number of transmit queues", "EINVAL Invalid number of transmit queues", "EINVAL Invalid number of transmit queues"},
		{"receive queues", u32(attrRxQueues, 1024), nil, "ok", "ok", "ok"},
		{"mtu 67", u32(attrMTU, 67), nil, "EINVAL mtu less than device minimum", "EINVAL mtu less than device minimum", "EINVAL mtu less than device minimum"},
		{"mtu 65536", u32(attrMTU, 65536), nil, "EINVAL mtu greater than device maximum", "EINVAL mtu greater than device maximum", "EINVAL mtu greater than device maximum"},
		{"gso 70000", u32(attrGSOSize, 70000), nil, "ok", "ok", "ok"},
		{"gso 600000", u32(attrGSOSize, 600000), nil, "EINVAL too big gso_max_size", "EINVAL too big gso_max_size", "EINVAL too big gso_max_size"},
		{"gso segments", u32(attrGSOSegments, 65536), nil, "EINVAL too big gso_max_segs", "EINVAL too big gso_max_segs", "EINVAL too big gso_max_segs"},
		{"tso", u32(attrTSOSize, 1), nil, "EINVAL " + shortAttribute + " off=40", "EINVAL " + shortAttribute + " off=40", "EINVAL " + shortAttribute + " off=40"},
		{"id of a namespace", u32(attrLinkNetnsID, 77), nil, "EINVAL Unknown network namespace id", "EINVAL Unknown network namespace id", "EINVAL Unknown network namespace id"},
		{"two namespaces", join2(u32(attrNetnsFD, 2), u32(attrNetnsPID, 2)), nil, "EINVAL multiple netns identifying attributes specified", "EINVAL multiple netns identifying attributes specified", "EINVAL multiple netns identifying attributes specified"},
		{"no such fd", u32(attrNetnsFD, 0), nil, "EBADF", "EBADF", "EBADF"},
		{"carrier, which is ignored", appendU8(nil, attrCarrier, 1), nil, "ok", "ok", "ok"},
	} {
		for i, release := range []Netkit{oldest, between, newest} {
			t.Run(fmt.Sprintf("%s/%d", tc.name, i), func(t *testing.T) {
				c := newClient(New(&backend{release: &release}))
				c.Capped, c.Extended = true, true
				c.link(newLink, flagCreate|flagExcl, 0, 0, join2(appendText(nil, attrName, "b0"), tc.attrs, ofNetkit(tc.data)))
				require.Equal(t, []string{tc.on612, tc.on618, tc.on73}[i], c.told())
			})
		}
	}
}

// Before Linux 6.12.4 SCRUB and PEER_SCRUB are bytes that mean nothing, and are not told.
func TestNoScrub(t *testing.T) {
	for _, scrubs := range []bool{false, true} {
		c := newClient(New(&backend{release: &Netkit{Pairs: true, Scrub: scrubs}}))
		c.Capped, c.Extended = true, true
		c.link(newLink, flagCreate|flagExcl, 0, 0, join2(appendText(nil, attrName, "b0"), ofNetkit(appendU32(nil, netkitScrub, 2))))
		if scrubs {
			require.Equal(t, "ERANGE integer out of range off=60", c.told())
			continue
		}
		require.Equal(t, "ok", c.told())
		require.NotContains(t, " "+c.data(t, "b0"), fmt.Sprintf(" %d=", netkitScrub))
		require.NotContains(t, " "+c.data(t, "b0"), fmt.Sprintf(" %d=", netkitPeerScrub))
	}
}

// Changes of a pair and of a single device, seen on the same kernels.
func TestChangesByRelease(t *testing.T) {
	u32 := func(typ uint16, v uint32) []byte { return appendU32(nil, typ, v) }
	const (
		never    = " cannot be changed after device creation off=52"
		primary  = "EACCES netkit link settings can be changed only through the primary device"
		readOnly = "EINVAL Primary attribute is read-only off=52"
	)
	for _, tc := range []struct {
		name               string
		device             string
		typ                uint16 // of the request
		data               []byte
		on612, on618, on73 string
		after              string // of a, on 7.3
	}{
		{"policy", "a", newLink, u32(netkitPolicy, policyDrop), "ok", "ok", "ok", "2=01 3=02000000 5=01000000 6=01000000 8=0000 9=0000 10=00000000 4=00000000 7=01000000"},
		{"policy by RTM_SETLINK, which ignores it", "a", setLink, u32(netkitPolicy, policyDrop), "ok", "ok", "ok", plainPair},
		{"policy, then one that is none", "a", newLink, join2(u32(netkitPolicy, policyDrop), u32(netkitPeerPolicy, 1)), "EINVAL Provided default xmit policy not supported off=60", "EINVAL Provided default xmit policy not supported off=60", "EINVAL Provided default xmit policy not supported off=60",
			"2=01 3=02000000 5=01000000 6=01000000 8=0000 9=0000 10=00000000 4=00000000 7=01000000"},
		{"policy and mode", "a", newLink, join2(u32(netkitPolicy, policyDrop), u32(netkitMode, modeL3)), "EACCES netkit link operating mode cannot be changed after device creation off=60", "EACCES netkit link operating mode cannot be changed after device creation off=60", "EACCES netkit link operating mode cannot be changed after device creation off=60", plainPair},
		{"scrub", "a", newLink, u32(netkitScrub, scrubOn), "EACCES netkit scrubbing" + never, "EACCES netkit link scrubbing" + never, "EACCES netkit link scrubbing" + never, plainPair},
		{"peer scrub", "a", newLink, u32(netkitPeerScrub, 0), "EACCES netkit scrubbing" + never, "EACCES netkit link peer scrubbing" + never, "EACCES netkit link peer scrubbing" + never, plainPair},
		{"peer", "a", newLink, appendAttribute(nil, netkitPeer, make([]byte, infoSize)), "EINVAL netkit peer info" + never, "EACCES netkit link peer info" + never, "EACCES netkit link peer info" + never, plainPair},
		{"headroom", "a", newLink, appendU16(nil, netkitHeadroom, 3), "ok", "EACCES netkit link headroom" + never, "EACCES netkit link headroom" + never, plainPair},
		{"pairing", "a", newLink, u32(netkitPairing, 0), "ok", "ok", "EACCES netkit link pairing" + never, plainPair},
		{"pairing 2", "a", newLink, u32(netkitPairing, 2), "ok", "ok", "ERANGE integer out of range off=52", plainPair},
		{"primary", "a", newLink, appendU8(nil, netkitPrimary, 1), readOnly, readOnly, readOnly, plainPair},
		{"nothing", "a", newLink, nil, "ok", "ok", "ok", plainPair},
		{"policy at the peer", "b", newLink, u32(netkitPolicy, policyDrop), primary, primary, primary, plainPair},
		{"nothing at the peer", "b", newLink, nil, primary, primary, primary, plainPair},
		{"primary at the peer", "b", newLink, appendU8(nil, netkitPrimary, 1), readOnly, readOnly, readOnly, plainPair},
	} {
		for i, release := range []Netkit{oldest, between, newest} {
			t.Run(fmt.Sprintf("%s/%d", tc.name, i), func(t *testing.T) {
				s := New(&backend{release: &release})
				require.NoError(t, s.AddPair(1, "a", "b"))
				c := newClient(s)
				c.Capped, c.Extended = true, true
				c.link(tc.typ, 0, s.ByName(1, tc.device).Index, 0, ofNetkit(tc.data))
				require.Equal(t, []string{tc.on612, tc.on618, tc.on73}[i], c.told())
				if release == newest {
					require.Equal(t, tc.after, c.data(t, "a"))
				}
			})
		}
	}
}

const plainPair = "2=01 3=00000000 5=01000000 6=01000000 8=0000 9=0000 10=00000000 4=00000000 7=01000000"

// The attributes of 6.12.118, 6.18.15 and 7.3.4, in their order.
func TestDataByRelease(t *testing.T) {
	single := appendU32(nil, netkitPairing, pairingSingle)
	rooms := join2(appendU16(nil, netkitHeadroom, 100), appendU16(nil, netkitTailroom, 50))
	for _, tc := range []struct {
		name    string
		release Netkit
		data    []byte
		want    string
	}{
		{"6.12", oldest, nil, "2=01 3=00000000 5=01000000 6=01000000 4=00000000 7=01000000"},
		{"6.12, rooms", oldest, rooms, "2=01 3=00000000 5=01000000 6=01000000 4=00000000 7=01000000"},
		{"6.12, single is ignored", oldest, single, "2=01 3=00000000 5=01000000 6=01000000 4=00000000 7=01000000"},
		{"6.18", between, nil, "2=01 3=00000000 5=01000000 6=01000000 8=0000 9=0000 4=00000000 7=01000000"},
		{"6.18, rooms", between, rooms, "2=01 3=00000000 5=01000000 6=01000000 8=6400 9=3200 4=00000000 7=01000000"},
		{"7.3", newest, nil, plainPair},
		{"7.3, single", newest, single, "2=01 3=00000000 5=01000000 8=0000 9=0000 10=01000000"},
		{"7.3, single, rooms", newest, join2(single, rooms), "2=01 3=00000000 5=01000000 8=6400 9=3200 10=01000000"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newClient(New(&backend{release: &tc.release}))
			require.Zero(t, c.link(newLink, flagCreate|flagExcl, 0, 0, join2(appendText(nil, attrName, "b0"), ofNetkit(tc.data))))
			require.Equal(t, tc.want, c.data(t, "b0"))
		})
	}
}

// What no netkit device can do, seen on 7.3.4 and 6.12.118.
func TestNotChangeable(t *testing.T) {
	for _, tc := range []struct {
		name  string
		layer uint32
		attrs []byte
		want  string
	}{
		{"carrier", modeL2, appendU8(nil, attrCarrier, 1), "EOPNOTSUPP"},
		{"a bridge for layer 3", modeL3, appendU32(nil, attrMaster, 1), "EINVAL"},
		{"no bridge for layer 3", modeL3, appendU32(nil, attrMaster, 0), "ok"},
		{"an address for layer 3", modeL3, appendAttribute(nil, attrAddress, []byte{2, 0, 0, 0, 0, 1}), "EOPNOTSUPP"},
		{"a short one", modeL3, appendAttribute(nil, attrAddress, []byte{2, 0}), "EINVAL"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newClient(New(&backend{}))
			require.Zero(t, c.link(newLink, flagCreate|flagExcl, 0, 0, join2(appendText(nil, attrName, "a"), ofNetkit(appendU32(nil, netkitMode, tc.layer)))))
			c.Capped, c.Extended = true, true
			c.link(setLink, 0, c.server.ByName(1, "a").Index, 0, tc.attrs)
			require.Equal(t, tc.want, c.told())
		})
	}
}

// A bridge that a device leaves gives both ends room that they did not have: 0, 64 and
// 100, 100 on 7.3.4.
func TestRoomAfterBridge(t *testing.T) {
	for made, after := range map[uint16]string{0: "8=4000", 100: "8=6400"} {
		s := New(&backend{})
		c := newClient(s)
		require.Zero(t, c.link(newLink, flagCreate|flagExcl, 0, 0, join2(appendText(nil, attrName, "a"),
			ofNetkit(appendU32(nil, netkitMode, modeL2), appendU16(nil, netkitHeadroom, made)))))
		d := s.ByName(1, "a")
		l := Link{Index: d.Index, Name: "a", Bridged: true}
		s.Follow(d, 1, l)
		require.NotContains(t, c.data(t, "a"), "8=4000")
		l.Bridged = false
		s.Follow(d, 1, l)
		require.Contains(t, c.data(t, "a"), after)
		require.Contains(t, c.data(t, d.peer.Name), after)
	}
}

// NLM_F_ECHO has who makes a device told of it, before the acknowledgement.
func TestEcho(t *testing.T) {
	c := newClient(New(&backend{}))
	require.Zero(t, c.link(newLink, flagCreate|flagExcl|flagEcho, 0, 0, join2(appendText(nil, attrName, "a"), ofNetkit())))
	require.Len(t, c.got, 2)
	require.EqualValues(t, newLink, c.got[0].typ)
	require.EqualValues(t, 3, c.got[0].seq)
	require.EqualValues(t, 0xffffffff, native.Uint32(c.got[0].body[12:]), "what has changed")
	require.EqualValues(t, msgError, c.got[1].typ)
}

// What a request says of the primary holds for a peer of which it says nothing, but for
// the name and the address, as seen on Linux 6.12.118 and 7.3.4.
func TestPeerTakesAttributes(t *testing.T) {
	asked := join2(appendText(nil, attrName, "b0"), appendU32(nil, attrMTU, 9000), appendU32(nil, attrQueueLen, 5), appendU32(nil, attrGroup, 3), appendU32(nil, attrRxQueues, 2))
	for _, tc := range []struct {
		name             string
		data             []byte
		mtu, group, recv uint32
	}{
		{"nothing said", nil, 9000, 3, 2},
		{"something said", appendAttribute(nil, netkitPeer, make([]byte, infoSize)), 1500, 0, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newClient(New(&backend{release: &newest}))
			require.Zero(t, c.link(newLink, flagCreate|flagExcl, 0, 0, join2(asked, ofNetkit(tc.data))))
			require.Zero(t, c.link(getLink, 0, 0, 0, appendText(nil, attrName, "nk0")))
			attrs, _ := parseAttributes(c.got[0].body[infoSize:])
			for typ, want := range map[uint16]uint32{attrMTU: tc.mtu, attrGroup: tc.group, attrRxQueues: tc.recv} {
				got, _ := attrs.u32(typ)
				require.Equal(t, want, got, "attribute %d", typ)
			}
		})
	}
}
