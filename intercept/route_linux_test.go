//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/layout"
	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/internal/doctor"
)

// noWorld has nothing besides packets.
type noWorld struct{}

func (noWorld) Map(uint32) machine.Map        { return nil }
func (noWorld) Now() uint64                   { return 1 }
func (noWorld) Random() uint32                { return 1 }
func (noWorld) Trace(string)                  {}
func (noWorld) Wake(uint32)                   {}
func (noWorld) Facts() machine.Facts          { return machine.Facts{ShortDiff: true} }
func (noWorld) Timers() *machine.Timers       { return &machine.Timers{} }
func (noWorld) After(uint64, func() error)    {}
func (noWorld) Types() (*layout.Types, error) { return layout.Running() }

// fibSize is sizeof(struct bpf_fib_lookup).
const fibSize = 64

// fibProgram looks a route up for what the packet's first bytes say, and puts the
// answer there.
func fibProgram(kind ebpf.ProgramType, flags int32) asm.Instructions {
	data, end := int16(76), int16(80)
	if kind == ebpf.XDP {
		data, end = 0, 4
	}
	insns := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1), asm.LoadMem(asm.R7, asm.R1, data, asm.Word), asm.LoadMem(asm.R3, asm.R1, end, asm.Word),
		asm.Mov.Imm(asm.R0, -1), asm.Mov.Reg(asm.R4, asm.R7), asm.Add.Imm(asm.R4, fibSize), asm.JGT.Reg(asm.R4, asm.R3, "out"),
	}
	move := func(to, from asm.Register, toAt, fromAt int) {
		for i := 0; i < fibSize; i += 8 {
			insns = append(insns, asm.LoadMem(asm.R1, from, int16(fromAt+i), asm.DWord), asm.StoreMem(to, int16(toAt+i), asm.R1, asm.DWord))
		}
	}
	move(asm.RFP, asm.R7, -fibSize, 0)
	insns = append(insns, asm.Mov.Reg(asm.R1, asm.R6), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -fibSize),
		asm.Mov.Imm(asm.R3, fibSize), asm.Mov.Imm(asm.R4, flags), asm.FnFibLookup.Call())
	move(asm.R7, asm.RFP, 0, -fibSize)
	return append(insns, asm.Return().WithSymbol("out"))
}

// otherTable is a table that no rule chooses.
const otherTable = 77

// furnishRoutes makes a namespace in which there is something to be found.
func furnishRoutes() error {
	veth := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: "b"}
	veth.Name, veth.MTU = "a", 1400
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("add: %w", err)
	}
	for _, name := range []string{"a", "b", "lo"} {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		var addresses []string
		switch name {
		case "a":
			addresses = []string{"10.1.0.1/24", "fd01::1/64"}
		case "b":
			addresses = []string{"10.2.0.1/24", "fd02::1/64"}
		}
		if err := furnish(l, addresses...); err != nil {
			return err
		}
	}
	for file, text := range map[string]string{"ipv4/conf/a": "1", "ipv4/conf/lo": "0", "ipv6/conf/a": "1", "ipv6/conf/lo": "0", "ipv4/conf/b": "1", "ipv6/conf/b": "1"} {
		if err := os.WriteFile("/proc/sys/net/"+file+"/forwarding", []byte(text), 0); err != nil {
			return err
		}
	}
	a, err := netlink.LinkByName("a")
	if err != nil {
		return err
	}
	for address, hardware := range map[string]string{"10.1.0.2": "02:00:00:00:00:02", "10.1.0.9": "02:00:00:00:00:09", "fd01::2": "02:00:00:00:00:06"} {
		mac, err := net.ParseMAC(hardware)
		if err != nil {
			return err
		}
		n := &netlink.Neigh{LinkIndex: a.Attrs().Index, IP: net.ParseIP(address), HardwareAddr: mac, State: netlink.NUD_PERMANENT}
		if err := netlink.NeighSet(n); err != nil {
			return fmt.Errorf("neighbour %s: %w", address, err)
		}
	}
	for _, r := range []struct {
		to, via  string
		typ, mtu int
		metric   int
	}{
		{"10.8.0.0/16", "10.1.0.2", 0, 0, 7}, {"10.8.1.0/24", "10.1.0.3", 0, 0, 0}, {"10.8.2.0/24", "10.1.0.9", 0, 900, 0}, {"10.8.3.0/24", "10.1.0.9", 0, 901, 0},
		{"10.7.0.0/16", "", unix.RTN_BLACKHOLE, 0, 0}, {"10.7.1.0/24", "", unix.RTN_UNREACHABLE, 0, 0}, {"10.7.2.0/24", "", unix.RTN_PROHIBIT, 0, 0},
		{"10.9.9.0/24", "10.1.0.2", 0, 0, otherTable}, {"9.0.0.0/8", "10.1.0.9", 0, 0, otherTable}, {"10.8.0.0/16", "", unix.RTN_BLACKHOLE, 0, otherTable}, {"fd99::/16", "fd01::2", 0, 0, otherTable},
		{"fd08::/64", "fd01::2", 0, 0, 9}, {"fd07::/64", "", unix.RTN_BLACKHOLE, 0, 0}, {"fd07:1::/64", "", unix.RTN_UNREACHABLE, 0, 0}, {"fd07:2::/64", "", unix.RTN_PROHIBIT, 0, 0},
	} {
		_, to, err := net.ParseCIDR(r.to)
		if err != nil {
			return err
		}
		route := &netlink.Route{Dst: to, Type: r.typ, MTU: r.mtu, MTULock: r.mtu == 900, Priority: r.metric}
		if r.metric == otherTable {
			route.Table = otherTable
		}
		if r.via != "" {
			route.Gw = net.ParseIP(r.via)
		}
		if err := netlink.RouteAdd(route); err != nil {
			return fmt.Errorf("route to %s: %w", r.to, err)
		}
	}
	return furnishHops()
}

// furnishHops makes routes with several next hops, also in a table that no rule chooses.
func furnishHops() error {
	index := map[string]int{}
	for _, name := range []string{"a", "b"} {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		index[name] = l.Attrs().Index
	}
	for to, hops := range map[string][]string{
		"10.6.0.0/16": {"a 10.1.0.2", "a 10.1.0.3", "b 10.2.0.2"}, "10.6.1.0/24": {"a 10.1.0.2", "a 10.1.0.9"},
		"fd06::/64": {"a fd01::2", "a fd01::3", "b fd02::2"}, "fd06:1::/64": {"a fd01::2", "a fd01::9"},
	} {
		_, dst, err := net.ParseCIDR(to)
		if err != nil {
			return err
		}
		for _, table := range []int{0, otherTable} {
			route := &netlink.Route{Dst: dst, Table: table, Priority: 5}
			for i, hop := range hops {
				name, via, _ := strings.Cut(hop, " ")
				route.MultiPath = append(route.MultiPath, &netlink.NexthopInfo{LinkIndex: index[name], Gw: net.ParseIP(via), Hops: i})
			}
			if err := netlink.RouteAdd(route); err != nil {
				return fmt.Errorf("route to %s by %s: %w", to, hops, err)
			}
		}
	}
	return nil
}

// fibQuestion is a random question about that namespace.
func fibQuestion(r *rand.Rand) []byte {
	p := make([]byte, fibSize)
	var from, to netip.Addr
	pick := func(list ...string) netip.Addr { return netip.MustParseAddr(list[r.IntN(len(list))]) }
	if r.IntN(2) == 0 {
		p[0] = unix.AF_INET
		from = pick("10.2.0.5", "10.1.0.1", "0.0.0.0")
		to = pick("10.1.0.2", "10.1.0.3", "10.1.0.1", "10.2.0.9", "10.8.0.1", "10.8.1.1", "10.8.2.1", "10.8.3.1", "10.7.0.1", "10.7.1.1", "10.7.2.1", "9.9.9.9", "10.6.0.1", "10.6.0.2", "10.6.1.7", "127.0.0.1")
	} else {
		p[0] = unix.AF_INET6
		from = pick("fd02::5", "fd01::1", "::")
		to = pick("fd01::2", "fd01::3", "fd01::1", "fd02::9", "fd08::1", "fd07::1", "fd07:1::1", "fd07:2::1", "fd99::1", "::1", "fd06::1", "fd06::2", "fd06:1::7")
	}
	if r.IntN(30) == 0 {
		p[0] = []byte{0, 1, 3, 7, 255}[r.IntN(5)]
	}
	if r.IntN(2) == 0 { // ports, on which a next hop may depend
		p[1] = []byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP}[r.IntN(2)]
		binary.BigEndian.PutUint16(p[2:], uint16(r.IntN(9)+1))
		binary.BigEndian.PutUint16(p[4:], uint16(r.IntN(9)+1))
	}
	copy(p[16:], from.AsSlice())
	copy(p[32:], to.AsSlice())
	binary.NativeEndian.PutUint16(p[6:], []uint16{0, 0, 1000, 1400, 1401, 60000}[r.IntN(6)])
	binary.NativeEndian.PutUint32(p[8:], []uint32{1, 2, 3, 2, 3, 77}[r.IntN(6)])
	if r.IntN(2) == 0 { // a table, where one is asked for
		binary.NativeEndian.PutUint32(p[48:], []uint32{otherTable, otherTable, 254, 255, 99, 0}[r.IntN(6)])
	}
	return p
}

// TestRoutes has bpf_fib_lookup answered here and by the running kernel.
func TestRoutes(t *testing.T) {
	doctor.Need(t, "root")
	c, tid, err := newContainer()
	require.NoError(t, err)
	defer c.end()
	require.NoError(t, c.do(furnishRoutes))
	there := outside(func() (int, error) {
		return unix.Open(fmt.Sprintf("/proc/%d/ns/net", tid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	})
	r := rand.New(rand.NewPCG(1, 0))
	results, unknown := map[int32]int{}, map[string]int{}
	for _, kind := range []ebpf.ProgramType{ebpf.SchedCLS, ebpf.XDP} {
		for _, flags := range []int32{0, 2, 4, 6, 16, 16 | 4, 1 << 20, 1, 1 | 2, 1 | 4, 1 | 8, 1 | 2 | 8, 8, 1 | 16} {
			insns := fibProgram(kind, flags)
			loaded, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: kind, License: "GPL", Instructions: insns})
			require.NoError(t, err)
			defer loaded.Close()
			var code bytes.Buffer
			require.NoError(t, insns.Marshal(&code, byteOrder()))
			as := machine.SKB
			if kind == ebpf.XDP {
				as = machine.XDP
			}
			p := machine.New(code.Bytes(), as)
			for n := range 120 {
				if n%40 == 0 { // what next hops depend on
					require.NoError(t, c.do(func() error { return setHashPolicy(n / 40) }))
				}
				question := append(fibQuestion(r), make([]byte, 16)...)
				if r.IntN(8) == 0 {
					question = append(question, make([]byte, 1390)...)
				}
				var want uint32
				var wanted []byte
				require.NoError(t, c.do(func() (err error) {
					want, wanted, err = loaded.Test(question)
					return err
				}))
				packet := machine.NewPacket(bytes.Clone(question), 1)
				packet.Outside = there
				got, err := p.Run(packet, noWorld{})
				if errors.Is(err, machine.ErrUnknown) {
					unknown[err.Error()]++
					continue
				}
				require.NoError(t, err)
				require.Equal(t, int32(want), got, "%s, flags %#x: %x", kind, flags, question[:fibSize])
				require.Equal(t, wanted[:fibSize], packet.Data[:fibSize], "%s, flags %#x, result %d: %x", kind, flags, got, question[:fibSize])
				results[got]++
			}
		}
	}
	t.Log("results, and how often: ", results)
	t.Log("not simulated: ", unknown)
	for _, n := range unknown {
		require.Less(t, n, 60)
	}
}

// setHashPolicy says on what the choice of a next hop depends: addresses, ports too, or what
// is within a tunnel.
func setHashPolicy(policy int) error {
	for _, version := range []string{"ipv4", "ipv6"} {
		if err := os.WriteFile("/proc/sys/net/"+version+"/fib_multipath_hash_policy", []byte(strconv.Itoa(policy)), 0); err != nil {
			return err
		}
	}
	return nil
}

// byteOrder is the machine's; package asm does not know binary.NativeEndian.
func byteOrder() binary.ByteOrder {
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		return binary.BigEndian
	}
	return binary.LittleEndian
}
