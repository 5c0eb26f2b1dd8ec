package rtnl

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

// backend takes everything.
type backend struct {
	log     []string
	release *Netkit // nil: the newest
}

func (b *backend) Supports(uint64) Netkit {
	if b.release == nil {
		return newest
	}
	return *b.release
}

func (b *backend) XDP(uint64, uint32) (x mprog.XDPInfo) { return x }

func (b *backend) Add(d, peer *Device) {
	if peer == nil {
		b.log = append(b.log, "add "+d.Name)
		return
	}
	b.log = append(b.log, "add "+d.Name+" "+peer.Name)
}
func (b *backend) Delete(d *Device)                   { b.log = append(b.log, "delete "+d.Name) }
func (b *backend) Rename(d *Device)                   { b.log = append(b.log, "rename "+d.Name) }
func (b *backend) Move(d *Device, _ uint64, _ uint32) { b.log = append(b.log, "move "+d.Name) }

// client is a socket that keeps what it is sent.
type client struct {
	*Socket
	server *Server
	got    []message
}

func newClient(s *Server) *client {
	c := &client{server: s}
	c.Socket = &Socket{
		Netns: 1, Port: 7, Send: func(p []byte) { c.got = append(c.got, split(p)...) },
		Namespace: func(_ uint16, v uint32) (uint64, bool) { return uint64(v), v != 0 },
	}
	s.Open(c.Socket)
	return c
}

// link sends a request about a link and returns the errno.
func (c *client) link(typ, flags uint16, index, up uint32, attrs []byte) mprog.Errno {
	body := make([]byte, infoSize)
	native.PutUint32(body[4:], index)
	native.PutUint32(body[8:], up)
	native.PutUint32(body[12:], up)
	c.got = nil
	c.server.Request(c.Socket, appendMessage(nil, message{
		typ: typ, flags: flags | flagRequest | flagAck, seq: 3, body: append(body, attrs...),
	}))
	for _, m := range c.got {
		if m.typ == msgError && m.seq == 3 {
			return mprog.Errno(-int32(native.Uint32(m.body)))
		}
	}
	return 0
}

func netkit(name string, data ...[]byte) []byte {
	var all []byte
	for _, p := range data {
		all = append(all, p...)
	}
	p := appendText(nil, attrName, name)
	return appendAttribute(p, attrLinkInfo, appendAttribute(appendText(nil, infoKind, kind), infoData, all))
}

func TestCreate(t *testing.T) {
	peer := func(name string) []byte {
		return appendAttribute(nil, netkitPeer, appendText(make([]byte, infoSize), attrName, name))
	}
	for _, tc := range []struct {
		name  string
		attrs []byte
		want  mprog.Errno
	}{
		{"plain", netkit("a", peer("b")), 0},
		{"peer without name", netkit("x"), 0},
		{"the name that its peer gets", netkit("nk0"), mprog.EEXIST},
		{"both by one name", netkit("a", peer("a")), mprog.EEXIST},
		{"name taken", netkit("old"), mprog.EEXIST},
		{"bad name", netkit("a/b"), mprog.EINVAL},
		{"the loopback device's name", netkit("lo"), mprog.EEXIST},
		{"peer by that name", netkit("a", peer("lo")), mprog.EEXIST},
		{"layer 2", netkit("a", appendU32(nil, netkitMode, modeL2)), 0},
		{"no such mode", netkit("a", appendU32(nil, netkitMode, 2)), mprog.ERANGE},
		{"blackhole", netkit("a", appendU32(nil, netkitPolicy, policyDrop)), 0},
		{"no such policy", netkit("a", appendU32(nil, netkitPolicy, 1)), mprog.EINVAL},
		{"no such scrub", netkit("a", appendU32(nil, netkitScrub, 2)), mprog.ERANGE},
		{"address on layer 3", append(netkit("a"), appendAttribute(nil, attrAddress, []byte{2, 0, 0, 0, 0, 1})...), mprog.EOPNOTSUPP},
		{"peer cut short", netkit("a", appendAttribute(nil, netkitPeer, []byte{1, 2, 3, 4})), mprog.ERANGE},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := New(&backend{})
			require.NoError(t, s.AddPair(1, "old", "old-peer"))
			require.Equal(t, tc.want, newClient(s).link(newLink, flagCreate|flagExcl, 0, 0, tc.attrs))
			if tc.want != 0 {
				require.Len(t, s.devices, 2, "nothing is left of it")
			}
		})
	}
}

func TestChangesAndNotifications(t *testing.T) {
	b := &backend{}
	s := New(b)
	require.NoError(t, s.AddPair(1, "a", "b"))
	c, listener := newClient(s), newClient(s)
	listener.Join(linkGroup)
	a := s.ByName(1, "a")
	require.Zero(t, c.link(newLink, 0, a.Index, FlagUp, nil))
	require.Len(t, listener.got, 2, "of the device and of its peer")
	require.NotZero(t, a.Flags&FlagUp)
	require.Zero(t, c.link(setLink, 0, a.Index, 0, appendText(nil, attrName, "c")))
	require.Equal(t, mprog.EEXIST, c.link(setLink, 0, a.Index, 0, appendText(nil, attrName, "b")))
	require.Equal(t, mprog.EACCES, c.link(newLink, 0, a.Index, 0, netkit("", appendU32(nil, netkitMode, modeL2))))
	require.Equal(t, mprog.EACCES, c.link(newLink, 0, a.peer.Index, 0, netkit("", appendU32(nil, netkitPolicy, policyDrop))),
		"only through the primary")
	require.Zero(t, c.link(setLink, 0, a.Index, 0, appendU32(nil, attrNetnsFD, 2)))
	require.Nil(t, s.ByName(1, "c"))
	require.NotNil(t, s.ByName(2, "c"))
	require.Zero(t, c.link(delLink, 0, 0, 0, appendText(nil, attrName, "b")))
	require.Empty(t, s.devices)
	require.Equal(t, []string{"add a b", "rename c", "move c", "delete b"}, b.log)
}

func TestDumpAndForward(t *testing.T) {
	s := New(&backend{})
	require.NoError(t, s.AddPair(1, "a", "b"))
	c := newClient(s)
	asked := 0
	c.Forward = func([]byte) [][]byte {
		asked++
		real := appendMessage(nil, message{typ: newLink, flags: flagMulti, body: make([]byte, infoSize)})
		return [][]byte{appendMessage(real, message{typ: msgDone, flags: flagMulti, body: make([]byte, 4)})}
	}
	c.link(getLink, flagDump, 0, 0, nil)
	require.Len(t, c.got, 4, "the running kernel's, two simulated ones, the end")
	require.EqualValues(t, msgDone, c.got[3].typ)
	c.ReadOnly = true
	require.Equal(t, mprog.EPERM, c.link(newLink, flagCreate, 0, 0, appendText(nil, attrName, "dummy0")))
	require.Equal(t, 1, asked)
}

func TestSingle(t *testing.T) {
	single := appendU32(nil, netkitPairing, pairingSingle)
	b := &backend{}
	s := New(b)
	c := newClient(s)
	require.Zero(t, c.link(newLink, flagCreate|flagExcl, 0, FlagUp, netkit("a", single)))
	require.Zero(t, c.link(getLink, 0, 0, 0, appendText(nil, attrName, "a")))
	require.Len(t, c.got, 2, "the device and the acknowledgement")
	attrs, _ := parseAttributes(c.got[0].body[infoSize:])
	require.Equal(t, []byte{0, 0, 0, 0}, attrs[attrLink], "there is none")
	require.Equal(t, mprog.EOPNOTSUPP, c.link(newLink, flagCreate|flagExcl, 0, 0,
		netkit("b", single, appendU32(nil, netkitPolicy, policyDrop))))
	require.Zero(t, c.link(delLink, 0, 0, 0, appendText(nil, attrName, "a")))
	require.Equal(t, []string{"add a", "delete a"}, b.log)

	s = New(&backend{release: &Netkit{}})
	require.Equal(t, mprog.EOPNOTSUPP, newClient(s).link(newLink, flagCreate|flagExcl, 0, 0, netkit("a")))
}

// An id that a device gives for its peer's namespace is found by that namespace.
func TestNamespaceIDs(t *testing.T) {
	s := New(&backend{})
	c := newClient(s)
	ask := func(netns uint32) (id uint32, found bool) {
		c.got = nil
		body := appendU32(make([]byte, genericSize), nsidFD, netns)
		s.Request(c.Socket, appendMessage(nil, message{typ: getNSID, flags: flagRequest, seq: 3, body: body}))
		require.Len(t, c.got, 1)
		attrs, _ := parseAttributes(c.got[0].body[genericSize:])
		id, _ = attrs.u32(nsidID)
		return id, c.got[0].typ == newNSID
	}
	_, found := ask(2)
	require.False(t, found)
	require.NoError(t, s.AddPair(1, "a", "b"))
	require.Zero(t, c.link(setLink, 0, 0, 0, append(appendText(nil, attrName, "b"), appendU32(nil, attrNetnsFD, 2)...)))
	require.Zero(t, c.link(getLink, 0, 0, 0, appendText(nil, attrName, "a")))
	attrs, _ := parseAttributes(c.got[0].body[infoSize:])
	told, ok := attrs.u32(attrLinkNetnsID)
	require.True(t, ok)
	id, found := ask(2)
	require.True(t, found)
	require.Equal(t, told, id)
}

// Whatever a program sends, what is a peer is one both ways.
func FuzzRequest(f *testing.F) {
	f.Add(appendMessage(nil, message{typ: newLink, flags: flagRequest | flagCreate, body: append(make([]byte, infoSize), netkit("x")...)}))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		s := New(&backend{})
		if err := s.AddPair(1, "a", "b"); err != nil {
			t.Fatal(err)
		}
		c := newClient(s)
		c.Explain = func(string, string) {}
		s.Request(c.Socket, datagram)
		ReplaceNetnsFDs(datagram, func(fd uint32) uint32 { return fd })
		for _, d := range s.devices {
			if d.peer != nil && d.peer.peer != d {
				t.Fatalf("%s has a peer that has another", d.Name)
			}
		}
	})
}

// What is asked and answered is told, with who answered.
func TestExplain(t *testing.T) {
	s := New(&backend{})
	require.NoError(t, s.AddPair(1, "a", "b"))
	c := newClient(s)
	var told []string
	c.Explain = func(asked, answered string) { told = append(told, asked+" = "+answered) }
	c.Forward = func(request []byte) [][]byte {
		m := split(request)[0]
		refused := answerTo(m, 7, mprog.EBUSY, true)
		return [][]byte{withWords(refused, qdiscError(mprog.EBUSY, "in use"))}
	}
	peer := appendAttribute(nil, netkitPeer, appendText(make([]byte, infoSize), attrName, "y"))
	c.link(newLink, flagCreate|flagExcl, 0, FlagUp, netkit("x", appendU32(nil, netkitMode, modeL2), peer))
	c.link(setLink, 0, s.ByName(1, "a").Index, 0, appendText(nil, attrName, "b"))
	c.link(delLink, 0, 77, 0, nil)
	c.link(getLink, 0, 0, 0, appendText(nil, attrName, "a"))
	require.Equal(t, []string{
		"RTM_NEWLINK x kind netkit mode l2 peer y up = ok, by nkconform",
		"RTM_SETLINK a name b = -1 EEXIST, by nkconform",
		"RTM_DELLINK ifindex 77 = -1 EBUSY (in use), by the kernel",
		"RTM_GETLINK a = 1 message, by nkconform",
	}, told)
}
