//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	ebpflink "github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/internal/doctor"
)

// Packets of sockets that the stack sends by itself have the sockets' mark and priority, as
// on a kernel, on which the target prints the same.
func TestSocketTags(t *testing.T) {
	doctor.Need(t, "tun")
	require.Equal(t, "mark 7, priority 5\nmark 0, priority 0\n", output(t, target(t, "", "sockettags")))
}

// socketTagsTarget prints what a program at tcx egress reads of packets of UDP.
func socketTagsTarget() error {
	if _, err := newPod("host0"); err != nil {
		return err
	}
	l, err := netlink.LinkByName("host0")
	if err != nil {
		return err
	}
	a, err := netlink.ParseAddr("10.9.0.1/24")
	if err != nil {
		return err
	}
	to := &netlink.Neigh{LinkIndex: l.Attrs().Index, IP: []byte{10, 9, 0, 2}, HardwareAddr: []byte{2, 0, 0, 0, 0, 2}, State: netlink.NUD_PERMANENT}
	if err := errors.Join(netlink.AddrAdd(l, a), netlink.NeighSet(to)); err != nil {
		return fmt.Errorf("address: %w", err)
	}
	told, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 16, MaxEntries: 1})
	if err != nil {
		return err
	}
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, 16, asm.Word), asm.Mov.Imm(asm.R0, 0), asm.JNE.Imm(asm.R2, int32(swapped(unix.ETH_P_IP)), "out"),
		asm.LoadMapValue(asm.R3, told.FD(), 0), asm.LoadMem(asm.R2, asm.R1, 8, asm.Word), asm.StoreMem(asm.R3, 4, asm.R2, asm.Word),
		asm.LoadMem(asm.R2, asm.R1, 32, asm.Word), asm.StoreMem(asm.R3, 8, asm.R2, asm.Word), asm.StoreImm(asm.R3, 0, 1, asm.Word),
		asm.Return().WithSymbol("out"),
	}})
	if err != nil {
		return err
	}
	if _, err := ebpflink.AttachTCX(ebpflink.TCXOptions{Interface: l.Attrs().Index, Program: prog, Attach: ebpf.AttachTCXEgress}); err != nil {
		return err
	}
	for _, tags := range [][2]int{{7, 5}, {0, 0}} {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err != nil {
			return err
		}
		var writeErr error
		err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, tags[0]), unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PRIORITY, tags[1]),
			unix.Connect(fd, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{10, 9, 0, 2}}), told.Put(uint32(0), make([]byte, 16)))
		if err == nil {
			_, writeErr = unix.Write(fd, []byte("packet"))
		}
		var got [4]uint32
		if err := errors.Join(err, writeErr, toldOf(told, &got), unix.Close(fd)); err != nil {
			return err
		}
		fmt.Printf("mark %d, priority %d\n", got[1], got[2])
	}
	return nil
}

// toldOf waits for what a program writes, whose first word is 1 then.
func toldOf(m *ebpf.Map, got *[4]uint32) error {
	for began := time.Now(); time.Since(began) < 10*time.Second; runtime.Gosched() {
		if err := m.Lookup(uint32(0), got); err != nil || got[0] != 0 {
			return err
		}
	}
	return errors.New("the program has not run")
}
