//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Attributes of IFLA_XDP, and flags (include/uapi/linux/if_link.h).
const (
	linkXDP                      = 43
	xdpFD, xdpAttached, xdpFlags = 1, 2, 3
	xdpProgID, xdpExpected       = 4, 8
	absentOnly, generic, driver  = 1, 2, 4
	hardware, replaceOnly        = 8, 16
)

// xdpAnswersTarget attaches XDP programs by rtnetlink and by links, and prints each
// answer, with the kernel's words, and what is then told of the device.
func xdpAnswersTarget() error {
	runtime.LockOSThread()
	t := &xdpTester{names: map[uint32]string{}}
	var err error
	if t.asks, err = openRoute(0); err == nil {
		t.hears, err = openRoute(1 << (unix.RTNLGRP_LINK - 1))
	}
	if err != nil {
		return err
	}
	for name, spec := range map[string]ebpf.ProgramSpec{
		"a": {Type: ebpf.XDP}, "b": {Type: ebpf.XDP}, "devmap": {Type: ebpf.XDP, AttachType: ebpf.AttachXDPDevMap},
		"cpumap": {Type: ebpf.XDP, AttachType: ebpf.AttachXDPCPUMap}, "tc": {Type: ebpf.SchedCLS}, "frags": {Type: ebpf.XDP, Flags: unix.BPF_F_XDP_HAS_FRAGS},
	} {
		spec.Name, spec.License, spec.Instructions = name, "GPL", asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()}
		p, err := ebpf.NewProgram(&spec)
		if err != nil {
			return fmt.Errorf("program %s: %w", name, err)
		}
		defer p.Close()
		info, err := p.Info()
		if err != nil {
			return err
		}
		id, _ := info.ID()
		t.names[uint32(id)] = name
		switch name {
		case "a":
			t.a = p
		case "b":
			t.b = p
		case "devmap":
			t.devmap = p
		case "cpumap":
			t.cpumap = p
		case "tc":
			t.tc = p
		case "frags":
			t.frags = p
		}
	}
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		return err
	}
	defer m.Close()
	t.aMap = m.FD()
	for _, kind := range strings.Fields(os.Getenv(devicesVariable)) {
		if err := t.device(kind); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

// devicesVariable names the kinds of devices that xdpAnswersTarget makes.
const devicesVariable = "INTERCEPT_TEST_DEVICES"

type xdpTester struct {
	asks, hears                     int
	sequence                        uint32
	names                           map[uint32]string // of programs, by id
	a, b, tc, devmap, cpumap, frags *ebpf.Program
	aMap                            int
	ifindex                         uint32
}

func (t *xdpTester) device(kind string) error {
	name := "lo"
	if kind != "lo" {
		name = "dev0"
		attrs := netlink.NewLinkAttrs()
		attrs.Name = name
		var made netlink.Link
		switch kind {
		case "veth":
			made = &netlink.Veth{LinkAttrs: attrs, PeerName: "dev1"}
		case "netkit":
			made = &netlink.Netkit{LinkAttrs: attrs, Mode: netlink.NETKIT_MODE_L2, Policy: netlink.NETKIT_POLICY_FORWARD, PeerPolicy: netlink.NETKIT_POLICY_FORWARD}
		default:
			made = &netlink.GenericLink{LinkAttrs: attrs, LinkType: kind}
		}
		if err := netlink.LinkAdd(made); err != nil {
			return fmt.Errorf("add: %w", err)
		}
		defer netlink.LinkDel(made)
	}
	i, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	t.ifindex = uint32(i.Index)
	device, err := netlink.LinkByIndex(i.Index)
	if err := errors.Join(err, netlink.LinkSetUp(device)); err != nil {
		return err
	}
	fmt.Printf("## %s\n", kind)
	return t.script(kind)
}

// request sends IFLA_XDP with attributes and returns the answer.
func (t *xdpTester) request(typ uint16, attrs ...[]byte) string {
	t.heard()
	var inner []byte
	for _, a := range attrs {
		inner = append(inner, a...)
	}
	body := append(words(0, t.ifindex, 0, 0), attribute(linkXDP|unix.NLA_F_NESTED, inner)...)
	return t.exchange(typ, unix.NLM_F_ACK, body)
}

func (t *xdpTester) exchange(typ, flags uint16, body []byte) string {
	t.sequence++
	p := words(uint32(16 + len(body)))
	p = native.AppendUint16(p, typ)
	p = native.AppendUint16(p, flags|unix.NLM_F_REQUEST)
	p = append(append(p, words(t.sequence, 0)...), body...)
	if err := unix.Sendto(t.asks, p, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err.Error()
	}
	buf, err := receiveRoute(t.asks, 0)
	switch {
	case err != nil:
		return err.Error()
	case native.Uint16(buf[4:]) != unix.NLMSG_ERROR:
		return t.state(buf[32:])
	}
	answer, errno := buf[16:], -int32(native.Uint32(buf[16:]))
	if errno == 0 {
		return "ok"
	}
	text := unix.ErrnoName(unix.Errno(errno))
	if flags := native.Uint16(buf[6:]); flags&unix.NLM_F_ACK_TLVS != 0 {
		behind := 4 + 16
		if flags&unix.NLM_F_CAPPED == 0 {
			behind = 4 + int(native.Uint32(answer[4:])+3)&^3
		}
		each(answer[behind:], func(typ uint16, value []byte) {
			switch typ {
			case 1: // NLMSGERR_ATTR_MSG
				text += " " + strings.TrimRight(string(value), "\x00")
			case 2:
				text += fmt.Sprintf(" off=%d", native.Uint32(value))
			}
		})
	}
	return text
}

func each(p []byte, f func(typ uint16, value []byte)) {
	for len(p) >= 4 {
		n := int(native.Uint16(p))
		if n < 4 || n > len(p) {
			return
		}
		f(native.Uint16(p[2:])&0x3fff, p[4:n])
		p = p[min((n+3)&^3, len(p)):]
	}
}

// state is what a link's attributes say of XDP.
func (t *xdpTester) state(attrs []byte) string {
	text := "nothing"
	each(attrs, func(typ uint16, value []byte) {
		if typ != linkXDP {
			return
		}
		var list []string
		each(value, func(typ uint16, value []byte) {
			if len(value) == 4 {
				list = append(list, fmt.Sprintf("%d=%s", typ, t.names[native.Uint32(value)]))
			} else {
				list = append(list, fmt.Sprintf("%d=%x", typ, value))
			}
		})
		text = strings.Join(list, " ")
	})
	return text
}

// heard is what was told of the device since, in the end.
func (t *xdpTester) heard() string {
	told := "nobody is told"
	for {
		buf, err := receiveRoute(t.hears, unix.MSG_DONTWAIT)
		if err != nil {
			return told
		}
		if native.Uint16(buf[4:]) == unix.RTM_NEWLINK {
			told = "told: " + t.state(buf[32:])
		}
	}
}

// now is what is told of the device to who asks.
func (t *xdpTester) now() string { return t.exchange(unix.RTM_GETLINK, 0, words(0, t.ifindex, 0, 0)) }

// say prints an answer, what the device is then, and what others were told.
func (t *xdpTester) say(what, answer string) {
	fmt.Printf("%s: %s; %s; %s\n", what, answer, t.now(), t.heard())
}

// sayLink is say for what rtnetlink is not asked, where others hear only of what a
// driver makes of its features.
func (t *xdpTester) sayLink(what, answer string) {
	fmt.Printf("%s: %s; %s\n", what, answer, t.now())
	t.heard()
}

func (t *xdpTester) set(what string, fd int, flags uint32, expected ...int) {
	attrs := [][]byte{attribute(xdpFD, words(uint32(fd)))}
	if flags != 0 {
		attrs = append(attrs, attribute(xdpFlags, words(flags)))
	}
	for _, fd := range expected {
		attrs = append(attrs, attribute(xdpExpected, words(uint32(fd))))
	}
	t.say(what, t.request(unix.RTM_SETLINK, attrs...))
}

func (t *xdpTester) link(what string, fd int, flags uint32) (int, bool) {
	l, err := bpfCall(28, words(uint32(fd), t.ifindex, 37, flags))
	if err != nil {
		t.sayLink(what, unix.ErrnoName(err.(unix.Errno)))
		return -1, false
	}
	t.sayLink(what, "ok")
	return l, true
}

func (t *xdpTester) script(kind string) error {
	a, b, off := t.a.FD(), t.b.FD(), -1
	t.heard()
	fmt.Printf("before: %s\n", t.now())
	t.set("attach a", a, 0)
	t.set("attach a again", a, 0)
	t.set("attach b, if there is none", b, absentOnly)
	t.set("attach b in place of a", b, replaceOnly, a)
	t.set("attach a in place of a", a, replaceOnly, a)
	t.set("attach a in place of nothing said", a, replaceOnly)
	t.set("attach a in place of b, unasked", a, 0, b)
	t.set("off in place of b", off, replaceOnly, b)
	t.set("off, driver", off, driver)
	t.set("off, generic", off, generic)
	t.set("off", off, 0)
	t.set("off again", off, 0)
	t.set("off in place of a, of nothing", off, replaceOnly, a)
	t.set("attach a in place of nothing", a, replaceOnly, -1)
	t.set("off if there is none", off, absentOnly)
	t.set("off, all flags", off, generic)
	t.set("generic a", a, generic)
	t.set("generic a again", a, generic)
	t.set("generic b", b, generic)
	t.set("no mode a over generic", a, 0)
	if kind == "veth" { // else it is EEXIST or EOPNOTSUPP, also within a release
		t.set("driver a over generic", a, driver)
	}
	t.set("hardware a over generic", a, hardware)
	if kind == "veth" { // else it is EEXIST or EOPNOTSUPP, also within a release
		t.set("driver a over generic, if there is none", a, driver|absentOnly)
	}
	t.set("generic b in place of a, which it is not", b, generic|replaceOnly, a)
	t.set("no mode b in place of a", b, replaceOnly, a)
	t.set("off, driver, of generic", off, driver)
	t.set("off, no mode, of generic", off, 0)
	t.set("off, hardware", off, hardware)
	t.set("off, generic", off, generic)
	t.set("driver a", a, driver)
	t.set("hardware a", a, hardware)
	t.set("generic b over that", b, generic)
	t.set("off, driver", off, driver)
	t.set("off, generic", off, generic)
	t.set("two modes", a, generic|driver)
	t.set("two modes off", off, generic|driver)
	t.set("unknown flag", a, 1<<5)
	t.set("no open fd", 999, generic)
	t.set("a map", t.aMap, generic)
	t.set("a program of tc", t.tc.FD(), generic)
	t.set("no open fd expected", a, generic|replaceOnly, 999)
	t.set("a map expected", a, generic|replaceOnly, t.aMap)
	t.set("a program of tc expected", a, generic|replaceOnly, t.tc.FD())
	t.set("a program for a devmap", t.devmap.FD(), generic)
	t.set("a program for a cpumap", t.cpumap.FD(), generic)
	t.set("a program for fragments", t.frags.FD(), generic)
	t.set("off, generic", off, generic)
	fd := attribute(xdpFD, words(uint32(a)))
	t.say("with attached", t.request(unix.RTM_SETLINK, fd, attribute(xdpAttached, []byte{2})))
	t.say("with an id", t.request(unix.RTM_SETLINK, fd, attribute(xdpProgID, words(7))))
	t.say("with a short fd", t.request(unix.RTM_SETLINK, attribute(xdpFD, []byte{1, 0})))
	t.say("with short flags", t.request(unix.RTM_SETLINK, fd, attribute(xdpFlags, []byte{1, 0})))
	t.say("without fd", t.request(unix.RTM_SETLINK, attribute(xdpFlags, words(generic))))
	t.say("without anything", t.request(unix.RTM_SETLINK))
	t.say("without fd, unknown flag", t.request(unix.RTM_SETLINK, attribute(xdpFlags, words(1<<20))))
	t.say("with RTM_NEWLINK", t.request(unix.RTM_NEWLINK, fd, attribute(xdpFlags, words(generic))))
	l, made := t.link("link b over a program", b, generic)
	if made {
		return errors.Join(errors.New("a link over a program"), unix.Close(l))
	}
	t.link("link b over a program, no mode", b, 0)
	if kind == "veth" { // else it is EEXIST or EOPNOTSUPP, also within a release
		t.link("link b over a program, driver", b, driver)
	}
	t.set("off, generic", off, generic)
	l, made = t.link("link b", b, generic)
	if !made {
		return errors.New("no link")
	}
	t.set("generic a over a link", a, generic)
	t.set("no mode a over a link", a, 0)
	if kind == "veth" { // else it is EEXIST or EOPNOTSUPP, also within a release
		t.set("driver a over a generic link", a, driver)
	}
	t.set("off over a link", off, generic)
	t.set("off over a link, no mode", off, 0)
	t.set("replace over a link", a, generic|replaceOnly, b)
	t.link("link a over a link", a, generic)
	if kind == "veth" { // else it is EEXIST or EOPNOTSUPP, also within a release
		t.link("link a over a generic link, driver", a, driver)
	}
	t.link("link a over a generic link, no mode", a, 0)
	_, err := bpfCall(34, words(uint32(l)))
	t.sayLink("link detached", fmt.Sprint(err))
	t.set("generic a", a, generic)
	t.sayLink("the detached link closed", fmt.Sprint(unix.Close(l)))
	t.set("off, generic", off, generic)
	if l, made = t.link("link a, no mode", a, 0); made {
		t.set("generic b over that link", b, generic)
		t.sayLink("link closed", fmt.Sprint(unix.Close(l)))
	}
	t.set("generic a", a, generic)
	return nil
}
