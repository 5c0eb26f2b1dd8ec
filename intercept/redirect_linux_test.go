//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	ebpflink "github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/internal/doctor"
)

func TestRedirects(t *testing.T) {
	doctor.Need(t, "tun")
	t.Log(output(t, target(t, "", "redirects")))
}

// pod is a namespace with one end of a netkit pair, whose other end is here.
type pod struct {
	*container
	host, inside int // ifindexes
}

func newPod(name string) (*pod, error) {
	c, tid, err := newContainer()
	if err != nil {
		return nil, err
	}
	p := &pod{container: c}
	attrs, peer := netlink.NewLinkAttrs(), netlink.NewLinkAttrs()
	attrs.Name, peer.Name, peer.Namespace = name, "inside", netlink.NsPid(tid)
	nk := &netlink.Netkit{LinkAttrs: attrs, Mode: netlink.NETKIT_MODE_L2}
	nk.SetPeerAttrs(&peer)
	if err := netlink.LinkAdd(nk); err != nil {
		return nil, fmt.Errorf("add %s: %w", name, err)
	}
	up := func(name string, index *int) error {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		*index = l.Attrs().Index
		return netlink.LinkSetUp(l)
	}
	return p, errors.Join(up(name, &p.host), c.do(func() error { return up("inside", &p.inside) }))
}

// listen opens a socket for what arrives at a device.
func listen(index int) (fd int, err error) {
	if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, int(swapped(testEthertype))); err != nil {
		return -1, err
	}
	return fd, errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10}),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: swapped(testEthertype), Ifindex: index}))
}

// send sends a frame with one byte of payload.
func sendFrame(index int, payload byte) error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	frame := make([]byte, 60)
	for i := range 6 {
		frame[i] = 0xff
	}
	frame[6], frame[12], frame[13], frame[14] = 2, testEthertype>>8, testEthertype&0xff, payload
	err = unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: index, Halen: 6})
	if errors.Is(err, unix.ENOBUFS) {
		return nil // a program drops it
	}
	return err
}

// arrived counts what has arrived before a frame that says last.
func arrived(fd int, last byte) (n int, err error) {
	for buf := make([]byte, 100); ; {
		_, from, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return n, fmt.Errorf("receive: %w", err)
		}
		switch {
		case from.(*unix.SockaddrLinklayer).Pkttype == unix.PACKET_OUTGOING:
		case buf[14] == last:
			return n, nil
		default:
			n++
		}
	}
}

// redirectsTarget has packets of one pod redirected on their way out of it; the
// counts are what Linux 7.3 says.
func redirectsTarget() error {
	a, err := newPod("host0")
	if err != nil {
		return err
	}
	b, err := newPod("host1")
	if err != nil {
		return err
	}
	atHost, err := listen(a.host)
	if err != nil {
		return err
	}
	atOther, err := listen(b.host)
	if err != nil {
		return err
	}
	var inside int
	if err := b.do(func() (err error) { inside, err = listen(b.inside); return err }); err != nil {
		return err
	}
	to := func(fn asm.BuiltinFunc, flags int32) asm.Instructions {
		return asm.Instructions{asm.Mov.Imm(asm.R1, int32(b.host)), asm.Mov.Imm(asm.R2, flags), fn.Call(), asm.Return()}
	}
	clone := func(flags, verdict int32) asm.Instructions {
		return asm.Instructions{asm.Mov.Imm(asm.R2, int32(b.host)), asm.Mov.Imm(asm.R3, flags), asm.FnCloneRedirect.Call(), asm.Mov.Imm(asm.R0, verdict), asm.Return()}
	}
	neighbour := asm.Instructions{
		asm.Mov.Imm(asm.R1, int32(b.host)), asm.Mov.Imm(asm.R2, 0), asm.Mov.Imm(asm.R3, 0), asm.Mov.Imm(asm.R4, 0), asm.FnRedirectNeigh.Call(), asm.Return(),
	}
	for _, c := range []struct {
		name                string
		ingress             bool // tcx's hook of host0, or the pod's own
		insns               asm.Instructions
		inside, host, other int // what arrives in the other pod, at host0 and at host1
	}{
		{"redirect", false, to(asm.FnRedirect, 0), 1, 0, 0},
		{"redirect_peer", false, to(asm.FnRedirectPeer, 0), 0, 0, 0},
		{"redirect at ingress", true, to(asm.FnRedirect, 0), 1, 0, 0},
		{"redirect_peer at ingress", true, to(asm.FnRedirectPeer, 0), 1, 0, 0},
		{"redirect to arrive", true, to(asm.FnRedirect, 1), 0, 0, 1},
		{"clone_redirect", true, clone(0, 0), 1, 1, 0},
		{"clone_redirect and drop", true, clone(0, 2), 1, 0, 0},
		{"clone_redirect to arrive", false, clone(1, 0), 0, 1, 1},
		{"redirect_neigh of what is not IP", true, neighbour, 0, 0, 0},
	} {
		prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: c.insns})
		if err != nil {
			return err
		}
		var l ebpflink.Link
		if c.ingress {
			l, err = ebpflink.AttachTCX(ebpflink.TCXOptions{Interface: a.host, Program: prog, Attach: ebpf.AttachTCXIngress})
		} else {
			l, err = ebpflink.AttachNetkit(ebpflink.NetkitOptions{Interface: a.host, Program: prog, Attach: ebpf.AttachNetkitPeer})
		}
		if err != nil {
			return err
		}
		send := func(payload byte) error { return a.do(func() error { return sendFrame(a.inside, payload) }) }
		const last = 99
		err = errors.Join(send(1), l.Close(), send(last), sendFrame(b.host, last), b.do(func() error { return sendFrame(b.inside, last) }))
		counts := []struct{ fd, want int }{{inside, c.inside}, {atHost, c.host}, {atOther, c.other}}
		for i, at := range counts {
			n, recvErr := arrived(at.fd, last)
			err = errors.Join(err, recvErr, want(fmt.Sprintf("%s: at %d", c.name, i), n, at.want))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
