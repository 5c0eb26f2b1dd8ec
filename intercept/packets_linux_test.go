//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"net"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	ebpflink "github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const testEthertype = 0x88b5

// oddDropper drops packets whose first byte behind the header is odd, counts all
// in a map, and lets the others pass.
func oddDropper(counts *ebpf.Map) *ebpf.ProgramSpec {
	return &ebpf.ProgramSpec{Name: "odd", Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, counts.FD()), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, "out"),
		asm.Mov.Imm(asm.R1, 1), asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
		asm.LoadMem(asm.R2, asm.R6, 76, asm.Word), asm.LoadMem(asm.R3, asm.R6, 80, asm.Word),
		asm.Mov.Imm(asm.R0, 0), asm.Mov.Reg(asm.R4, asm.R2), asm.Add.Imm(asm.R4, linkHeader+1),
		asm.JGT.Reg(asm.R4, asm.R3, "out"),
		asm.LoadMem(asm.R0, asm.R2, linkHeader, asm.Byte), asm.And.Imm(asm.R0, 1), asm.LSh.Imm(asm.R0, 1),
		asm.Return().WithSymbol("out"),
	}}
}

// packetsTarget sends packets through a program and through one that is not simulated.
func packetsTarget() error {
	nk0, err := net.InterfaceByName("nk0")
	if err != nil {
		return err
	}
	nk1, err := net.InterfaceByName("nk1")
	if err != nil {
		return err
	}
	sender, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	send := func(payload ...byte) error {
		return unix.Sendto(sender, payload, 0, &unix.SockaddrLinklayer{
			Protocol: swapped(testEthertype), Ifindex: nk0.Index, Halen: 6,
		})
	}
	receiver, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, int(swapped(testEthertype)))
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	if err := want("device down", send(0), unix.ENETDOWN); err != nil {
		return err
	}
	for _, name := range []string{"nk0", "nk1"} {
		l, err := netlink.LinkByName(name)
		if err := errors.Join(err, netlink.LinkSetUp(l)); err != nil {
			return err
		}
	}
	err = unix.Bind(receiver, &unix.SockaddrLinklayer{Protocol: swapped(testEthertype), Ifindex: nk1.Index})
	if err != nil {
		return err
	}
	received := func(what string, expected int) error {
		buf := make([]byte, 100)
		n, _, err := unix.Recvfrom(receiver, buf, unix.MSG_DONTWAIT)
		if expected < 0 {
			return want(what, err, unix.EAGAIN)
		}
		return errors.Join(err, want(what+": length", n, linkHeader+2), want(what, int(buf[max(n-2, 0)]), expected))
	}
	counts, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		return err
	}
	odd, err := ebpf.NewProgram(oddDropper(counts))
	if err != nil {
		return err
	}
	l, err := ebpflink.AttachNetkit(ebpflink.NetkitOptions{Interface: nk0.Index, Program: odd, Attach: ebpf.AttachNetkitPrimary})
	if err != nil {
		return err
	}
	err = errors.Join(send(4, 0), received("even", 4), want("odd", send(5, 0), unix.ENOBUFS), received("odd", -1))
	var count uint64
	err = errors.Join(err, counts.Lookup(uint32(0), &count), want("count", count, uint64(2)))
	ret, _, testErr := odd.Test(append(make([]byte, linkHeader), 7))
	if err := errors.Join(err, testErr, want("test run", ret, uint32(2)), l.Close()); err != nil {
		return err
	}
	// What cannot be run drops.
	unknown, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{
		asm.FnPerCpuPtr.Call(), asm.Mov.Imm(asm.R0, 0), asm.Return(),
	}})
	if err != nil {
		return err
	}
	l, err = ebpflink.AttachTCX(ebpflink.TCXOptions{Interface: nk1.Index, Program: unknown, Attach: ebpf.AttachTCXIngress})
	if err != nil {
		return err
	}
	return errors.Join(send(5, 0), received("dropped", -1), l.Close())
}
