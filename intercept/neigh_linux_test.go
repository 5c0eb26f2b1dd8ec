//go:build amd64 || arm64

package intercept

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	ebpflink "github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/internal/doctor"
)

// What bpf_redirect_neigh sends gets there, whether the neighbour is known or not; the
// target says so on Linux 7.3, too.
func TestRedirectsToNeighbours(t *testing.T) {
	doctor.Need(t, "tun")
	t.Log(output(t, target(t, "", "neighbours")))
}

// datagram is a frame with a packet of UDP, to a port and with a byte of payload.
func datagram(from, to netip.Addr, port uint16, payload byte) []byte {
	udp := binary.BigEndian.AppendUint16(nil, 1000)
	udp = binary.BigEndian.AppendUint16(udp, port)
	udp = append(udp, 0, 9, 0, 0, payload)
	frame := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	if to.Is4() {
		header := append([]byte{0x45, 0, 0, byte(20 + len(udp)), 0, 1, 0, 0, 64, unix.IPPROTO_UDP, 0, 0}, append(from.AsSlice(), to.AsSlice()...)...)
		finish(header, 0, 10)
		return append(append(append(frame, 8, 0), header...), udp...)
	}
	header := append([]byte{0x60, 0, 0, 0, 0, byte(len(udp)), unix.IPPROTO_UDP, 64}, append(from.AsSlice(), to.AsSlice()...)...)
	pseudo := append(append(append(from.AsSlice(), to.AsSlice()...), 0, 0, 0, byte(len(udp)), 0, 0, 0, unix.IPPROTO_UDP), udp...)
	finish(pseudo, 0, len(pseudo)-len(udp)+6)
	return append(append(append(frame, 0x86, 0xdd), header...), pseudo[len(pseudo)-len(udp):]...)
}

// neighboursTarget has packets of one pod sent on to the other by its device here, or
// to a veth device's peer.
func neighboursTarget() error {
	a, err := newPod("host0")
	if err != nil {
		return err
	}
	b, err := newPod("host1")
	if err != nil {
		return err
	}
	furnishDevice := func(name string, addresses ...string) error {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		return furnish(l, addresses...)
	}
	err = errors.Join(furnishDevice("host1", "10.7.0.1/24", "fd07::1/64"), b.do(func() error {
		return errors.Join(furnishDevice("lo", "10.99.0.1/32"), furnishDevice("inside", "10.7.0.2/24", "fd07::2/64"))
	}))
	if err != nil {
		return err
	}
	var socket *net.UDPConn
	err = b.do(func() (err error) {
		socket, err = net.ListenUDP("udp", &net.UDPAddr{Port: 7777})
		return err
	})
	if err != nil {
		return err
	}
	defer socket.Close()
	for i, c := range []struct {
		name     string
		to, from string
		hop      string // of struct bpf_redir_neigh
	}{
		{"not known yet", "10.7.0.2", "10.6.0.2", ""},
		{"known", "10.7.0.2", "10.6.0.2", ""},
		{"by a next hop", "10.99.0.1", "10.6.0.2", "10.7.0.2"},
		{"IPv6, not known yet", "fd07::2", "fd06::2", ""},
		{"IPv6, known", "fd07::2", "fd06::2", ""},
		{"by a next hop of IPv6", "10.99.0.1", "10.6.0.2", "fd07::2"},
	} {
		hop := make([]byte, 20)
		if c.hop != "" {
			address := netip.MustParseAddr(c.hop)
			hop[0] = unix.AF_INET
			if address.Is6() {
				hop[0] = unix.AF_INET6
			}
			copy(hop[4:], address.AsSlice())
		}
		insns := asm.Instructions{asm.Mov.Imm(asm.R2, 0), asm.Mov.Imm(asm.R3, 0)}
		if c.hop != "" {
			insns = nil
			for at := 0; at < len(hop); at += 4 {
				insns = append(insns, asm.StoreImm(asm.RFP, int16(at-24), int64(int32(native.Uint32(hop[at:]))), asm.Word))
			}
			insns = append(insns, asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -24), asm.Mov.Imm(asm.R3, 20))
		}
		insns = append(insns, asm.Mov.Imm(asm.R1, int32(b.host)), asm.Mov.Imm(asm.R4, 0), asm.FnRedirectNeigh.Call(), asm.Return())
		prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: insns})
		if err != nil {
			return err
		}
		l, err := ebpflink.AttachTCX(ebpflink.TCXOptions{Interface: a.host, Program: prog, Attach: ebpf.AttachTCXIngress})
		if err != nil {
			return err
		}
		frame := datagram(netip.MustParseAddr(c.from), netip.MustParseAddr(c.to), 7777, byte(i))
		err = a.do(func() error {
			sender, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
			if err != nil {
				return err
			}
			defer unix.Close(sender)
			return unix.Sendto(sender, frame, 0, &unix.SockaddrLinklayer{Ifindex: a.inside})
		})
		buf := make([]byte, 10)
		err = errors.Join(err, socket.SetReadDeadline(time.Now().Add(10*time.Second)))
		n, _, receiveErr := socket.ReadFromUDP(buf)
		if err := errors.Join(err, receiveErr, l.Close(), want(c.name, fmt.Sprint(buf[:n]), fmt.Sprint([]byte{byte(i)}))); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}
