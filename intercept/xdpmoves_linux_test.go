//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	ebpflink "github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"

	"github.com/nkconform/nkconform/internal/doctor"
)

// What arrives where, as Linux 6.12 and 7.3 have it, which the target prints there too.
func TestXDPMoves(t *testing.T) {
	doctor.Need(t, "tun")
	hasVeth(t)
	recorded, err := os.ReadFile("testdata/xdp-moves.txt")
	require.NoError(t, err)
	require.Equal(t, string(recorded), output(t, target(t, "", "xdpmoves")))
}

// moves are programs, and how many frames then arrive where.
type moves struct {
	a, b    *pod
	veth    [2]netlink.Link
	ears    []int // sockets: in both pods, and at their ends here, at both ends of the veth pair, and lo
	devices *ebpf.Map
	outlets map[string]*ebpf.Map // of devices or CPUs, with a program, whose only element is the first
	ran     *ebpf.Map            // whether the program has run
	lo      netlink.Link
}

// Places to listen at.
var earNames = []string{"inside a", "inside b", "host a", "host b", "veth0", "veth1", "lo"}

func newMoves() (m *moves, err error) {
	m = &moves{}
	if m.a, err = newPod("host0"); err != nil {
		return nil, err
	}
	if m.b, err = newPod("host1"); err != nil {
		return nil, err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "veth0"
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "veth1"}); err != nil {
		return nil, fmt.Errorf("veth: %w", err)
	}
	up := func(name string) (l netlink.Link, err error) {
		if l, err = netlink.LinkByName(name); err == nil {
			err = netlink.LinkSetUp(l)
		}
		return l, err
	}
	var errs [3]error
	m.veth[0], errs[0] = up("veth0")
	m.veth[1], errs[1] = up("veth1")
	m.lo, errs[2] = up("lo")
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	hear := func(in *pod, index int) {
		fd, listenErr := -1, error(nil)
		listenHere := func() error { fd, listenErr = listen(index); return listenErr }
		if in == nil {
			err = errors.Join(err, listenHere())
		} else {
			err = errors.Join(err, in.do(listenHere))
		}
		m.ears = append(m.ears, fd)
	}
	hear(m.a, m.a.inside)
	hear(m.b, m.b.inside)
	hear(nil, m.a.host)
	hear(nil, m.b.host)
	hear(nil, m.veth[0].Attrs().Index)
	hear(nil, m.veth[1].Attrs().Index)
	hear(nil, m.lo.Attrs().Index)
	if err != nil {
		return nil, err
	}
	if m.devices, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.DevMap, KeySize: 4, ValueSize: 4, MaxEntries: 4}); err != nil {
		return nil, fmt.Errorf("devmap: %w", err)
	}
	if m.ran, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}); err != nil {
		return nil, fmt.Errorf("array: %w", err)
	}
	return m, errors.Join(m.devices.Put(uint32(3), uint32(m.a.host)), m.devices.Put(uint32(1), uint32(m.b.host)), m.withPrograms())
}

// withPrograms makes maps with programs, which are named by what these return.
func (m *moves) withPrograms() error {
	m.outlets = map[string]*ebpf.Map{}
	returns := func(v int32) asm.Instructions { return asm.Instructions{asm.Mov.Imm(asm.R0, v), asm.Return()} }
	byDevice := asm.Instructions{ // passes what is to leave by host b
		asm.LoadMem(asm.R1, asm.R1, 20, asm.Word), asm.Mov.Imm(asm.R0, 1), asm.JNE.Imm(asm.R1, int32(m.b.host), "out"),
		asm.Mov.Imm(asm.R0, 2), asm.Return().WithSymbol("out"),
	}
	sends := asm.Instructions{asm.Mov.Imm(asm.R1, int32(m.b.host)), asm.Mov.Imm(asm.R2, 0), asm.FnRedirect.Call(), asm.Return()}
	for _, of := range []struct {
		name  string
		typ   ebpf.MapType
		first int // ifindex, or the length of a CPU's queue
		insns asm.Instructions
	}{
		{"device, passed", ebpf.DevMap, m.b.host, returns(2)}, {"device, dropped", ebpf.DevMap, m.b.host, returns(1)},
		{"device, by its ifindex", ebpf.DevMap, m.b.host, byDevice}, {"other device, by its ifindex", ebpf.DevMap, m.a.host, byDevice},
		{"device, sent back", ebpf.DevMap, m.b.host, returns(3)}, {"devices by hash, passed", ebpf.DevMapHash, m.b.host, returns(2)},
		{"CPU", ebpf.CPUMap, 64, nil}, {"CPU, passed", ebpf.CPUMap, 64, returns(2)}, {"CPU, dropped", ebpf.CPUMap, 64, returns(1)},
		{"CPU, redirected", ebpf.CPUMap, 64, sends},
	} {
		made, err := ebpf.NewMap(&ebpf.MapSpec{Type: of.typ, KeySize: 4, ValueSize: 8, MaxEntries: 1})
		if err != nil {
			return fmt.Errorf("map of %s: %w", of.name, err)
		}
		value := [2]uint32{uint32(of.first), 0}
		if of.insns != nil {
			attach := ebpf.AttachXDPDevMap
			if of.typ == ebpf.CPUMap {
				attach = ebpf.AttachXDPCPUMap
			}
			prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, AttachType: attach, License: "GPL", Instructions: of.insns})
			if err != nil {
				return fmt.Errorf("program of %s: %w", of.name, err)
			}
			defer prog.Close()
			value[1] = uint32(prog.FD())
		}
		if err := made.Put(uint32(0), value); err != nil {
			return fmt.Errorf("map of %s: %w", of.name, err)
		}
		m.outlets[of.name] = made
	}
	return nil
}

// last sends a frame that says last to every ear, from where nothing is in its way.
func (m *moves) last(last byte) error {
	return errors.Join(
		sendFrame(m.a.host, last), sendFrame(m.b.host, last),
		m.a.do(func() error { return sendFrame(m.a.inside, last) }), m.b.do(func() error { return sendFrame(m.b.inside, last) }),
		sendFrame(m.veth[0].Attrs().Index, last), sendFrame(m.veth[1].Attrs().Index, last), sendFrame(m.lo.Attrs().Index, last),
	)
}

// From where frames are sent that programs then get.
const (
	fromPod  = iota // which arrive at host a
	fromVeth        // at veth1
	fromLo
)

// show attaches a program where frames arrive, sends one, and prints where it went.
func (m *moves) show(name string, from int, mode int, typ ebpf.ProgramType, insns ...asm.Instructions) error {
	all := asm.Instructions{ // notes that it has run
		asm.Mov.Reg(asm.R6, asm.R1), asm.StoreImm(asm.RFP, -4, 0, asm.Word), asm.LoadMapPtr(asm.R1, m.ran.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4), asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "none"), asm.StoreImm(asm.R0, 0, 1, asm.Word), asm.Mov.Reg(asm.R1, asm.R6).WithSymbol("none"),
	}
	for _, i := range insns {
		all = append(all, i...)
	}
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: typ, License: "GPL", Instructions: append(all, asm.Return())})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer prog.Close()
	at, send := m.a.host, func() error { return m.a.do(func() error { return sendFrame(m.a.inside, 1) }) }
	switch from {
	case fromVeth:
		at, send = m.veth[1].Attrs().Index, func() error { return sendFrame(m.veth[0].Attrs().Index, 1) }
	case fromLo:
		at, send = loIndex, func() error { return sendFrame(loIndex, 1) }
	}
	var detach func() error
	if typ == ebpf.SchedCLS {
		l, err := ebpflink.AttachTCX(ebpflink.TCXOptions{Interface: at, Program: prog, Attach: ebpf.AttachTCXIngress})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		detach = l.Close
	} else {
		device, err := netlink.LinkByIndex(at)
		if err := errors.Join(err, netlink.LinkSetXdpFdWithFlags(device, prog.FD(), mode)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		detach = func() error { return netlink.LinkSetXdpFdWithFlags(device, -1, mode) }
	}
	const last = 99
	if err := errors.Join(m.ran.Put(uint32(0), uint32(0)), send(), m.hasRun(), detach(), m.last(last)); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Printf("%s:", name)
	for i, fd := range m.ears {
		n, err := arrived(fd, last)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", name, earNames[i], err)
		}
		if n > 0 {
			fmt.Printf(" %s %d", earNames[i], n)
		}
	}
	fmt.Println()
	return nil
}

// hasRun waits for the program: the kernel's own devices hand frames on when they get to
// it, and on a busy machine that may be late.
func (m *moves) hasRun() error {
	for began := time.Now(); time.Since(began) < 10*time.Second; runtime.Gosched() {
		var ran uint32
		if err := m.ran.Lookup(uint32(0), &ran); err != nil || ran != 0 {
			return err
		}
	}
	return errors.New("the program has not run")
}

// driverAtPeer gives veth0 a program that passes all.
func (m *moves) driverAtPeer() error {
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()}})
	if err != nil {
		return err
	}
	return errors.Join(netlink.LinkSetXdpFd(m.veth[0], prog.FD()), prog.Close())
}

// xdpMovesTarget prints where frames go that XDP programs and others send on.
func xdpMovesTarget() error {
	m, err := newMoves()
	if err != nil {
		return err
	}
	returns := func(v int32) asm.Instructions { return asm.Instructions{asm.Mov.Imm(asm.R0, v)} }
	redirect := func(to int, flags int32) asm.Instructions {
		return asm.Instructions{asm.Mov.Imm(asm.R1, int32(to)), asm.Mov.Imm(asm.R2, flags), asm.FnRedirect.Call()}
	}
	byMap := func(index, flags int32) asm.Instructions {
		return asm.Instructions{asm.LoadMapPtr(asm.R1, m.devices.FD()), asm.Mov.Imm(asm.R2, index), asm.Mov.Imm(asm.R3, flags), asm.FnRedirectMap.Call()}
	}
	through := func(name string) error {
		return m.show("by a map of "+name, fromPod, generic, ebpf.XDP, asm.Instructions{
			asm.LoadMapPtr(asm.R1, m.outlets[name].FD()), asm.Mov.Imm(asm.R2, 0), asm.Mov.Imm(asm.R3, 0), asm.FnRedirectMap.Call(),
		})
	}
	longer := asm.Instructions{ // and what is in front is not what was
		asm.Mov.Reg(asm.R6, asm.R1), asm.Mov.Imm(asm.R2, -4), asm.FnXdpAdjustTail.Call(),
	}
	const broadcast, exclude, arriving = 8, 16, 1
	veth0, veth1 := m.veth[0].Attrs().Index, m.veth[1].Attrs().Index
	const xdp, tc = ebpf.XDP, ebpf.SchedCLS
	return errors.Join(
		m.show("nothing", fromPod, generic, xdp, returns(2)),
		m.show("aborted", fromPod, generic, xdp, returns(0)),
		m.show("dropped", fromPod, generic, xdp, returns(1)),
		m.show("sent back", fromPod, generic, xdp, returns(3)),
		m.show("sent back, shorter", fromPod, generic, xdp, longer, returns(3)),
		m.show("another verdict", fromPod, generic, xdp, returns(77)),
		m.show("redirected to host b", fromPod, generic, xdp, redirect(m.b.host, 0)),
		m.show("redirected to host a", fromPod, generic, xdp, redirect(m.a.host, 0)),
		m.show("redirected to veth0", fromPod, generic, xdp, redirect(veth0, 0)),
		m.show("redirected to lo", fromPod, generic, xdp, redirect(loIndex, 0)),
		m.show("redirected to nothing", fromPod, generic, xdp, redirect(4711, 0)),
		m.show("redirected with a flag", fromPod, generic, xdp, redirect(m.b.host, 1)),
		m.show("redirected, and passed", fromPod, generic, xdp, redirect(m.b.host, 0), returns(2)),
		m.show("by the map to host b", fromPod, generic, xdp, byMap(1, 0)),
		m.show("by the map, shorter", fromPod, generic, xdp, longer, byMap(1, 0)),
		m.show("by the map to nothing", fromPod, generic, xdp, byMap(0, 0)),
		m.show("by the map to nothing, else passed", fromPod, generic, xdp, byMap(2, 2)),
		m.show("by the map to nothing, else sent back", fromPod, generic, xdp, byMap(99, 3)),
		m.show("by the map to all", fromPod, generic, xdp, byMap(0, broadcast)),
		m.show("by the map to all others", fromPod, generic, xdp, byMap(0, broadcast|exclude)),
		m.show("by the map with an unknown flag", fromPod, generic, xdp, byMap(1, 1<<5)),
		through("device, passed"), through("device, dropped"), through("device, by its ifindex"), through("other device, by its ifindex"),
		through("device, sent back"), through("devices by hash, passed"),
		through("CPU"), through("CPU, passed"), through("CPU, dropped"), through("CPU, redirected"),
		m.show("veth: nothing", fromVeth, generic, xdp, returns(2)),
		m.show("veth: dropped", fromVeth, generic, xdp, returns(1)),
		m.show("veth: sent back", fromVeth, generic, xdp, returns(3)),
		m.show("veth: redirected to host b", fromVeth, generic, xdp, redirect(m.b.host, 0)),
		m.show("veth's driver: nothing", fromVeth, driver, xdp, returns(2)),
		m.show("veth's driver: dropped", fromVeth, driver, xdp, returns(1)),
		m.show("veth's driver: sent back", fromVeth, driver, xdp, returns(3)),
		m.show("veth's driver: redirected to host b", fromVeth, driver, xdp, redirect(m.b.host, 0)),
		m.driverAtPeer(),
		m.show("veth's driver, both ends: sent back", fromVeth, driver, xdp, returns(3)),
		m.show("veth's driver, both ends: redirected to veth1", fromVeth, driver, xdp, redirect(veth1, 0)),
		m.show("veth's driver, both ends: redirected to veth0", fromVeth, driver, xdp, redirect(veth0, 0)),
		netlink.LinkSetXdpFd(m.veth[0], -1),
		m.show("lo: nothing", fromLo, generic, xdp, returns(2)),
		m.show("lo: dropped", fromLo, generic, xdp, returns(1)),
		m.show("lo: redirected to host b", fromLo, generic, xdp, redirect(m.b.host, 0)),
		m.show("tc: redirected to veth0", fromPod, 0, tc, redirect(veth0, 0)),
		m.show("tc: redirected to lo", fromPod, 0, tc, redirect(loIndex, 0)),
		m.show("tc: redirected to arrive at lo", fromPod, 0, tc, redirect(loIndex, arriving)),
		m.show("tc: redirected to arrive at veth1", fromPod, 0, tc, redirect(veth1, arriving)),
		m.show("tc: redirected to nothing", fromPod, 0, tc, redirect(4711, 0)),
		m.show("tc: veth: redirected to host b", fromVeth, 0, tc, redirect(m.b.host, 0)),
		m.show("tc: lo: redirected to veth1", fromLo, 0, tc, redirect(veth1, 0)),
	)
}
