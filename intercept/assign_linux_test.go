//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	ebpflink "github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/internal/doctor"
)

// A packet that is given to the socket that it is for arrives there; given to another one
// it is dropped, which is told. Linux 7.3 has it arrive at port 5001.
func TestAssign(t *testing.T) {
	doctor.Need(t, "tun")
	out := wholeOutput(t, target(t, "", "assign"))
	require.Contains(t, out, "for port 5000, given to 5000: 5000 gets it\n")
	require.Contains(t, out, "for port 5000, given to 5001: nobody gets it\n")
	require.Contains(t, out, "for port 5000, given to 5002: 5000 gets it\n", "there is no such socket")
	require.Contains(t, out, "a packet that bpf_sk_assign gives to a socket that it is not for is dropped")
}

// assignProgram gives what arrives of IPv4 to the socket of UDP at a port, if there is one,
// and notes in a map that it has run.
func assignProgram(port uint16, ran *ebpf.Map) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1), asm.LoadMem(asm.R2, asm.R1, 16, asm.Word), asm.Mov.Imm(asm.R0, 0), asm.JNE.Imm(asm.R2, int32(swapped(unix.ETH_P_IP)), "out"),
		asm.LoadMapValue(asm.R1, ran.FD(), 0), asm.StoreImm(asm.R1, 0, 1, asm.Word),
		asm.StoreImm(asm.RFP, -16, 0x0200090a, asm.Word), asm.StoreImm(asm.RFP, -12, 0x0100090a, asm.Word), // 10.9.0.2, 10.9.0.1
		asm.StoreImm(asm.RFP, -8, 0, asm.Half), asm.StoreImm(asm.RFP, -6, int64(swapped(port)), asm.Half),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -16), asm.Mov.Imm(asm.R3, 12), asm.Mov.Imm(asm.R4, -1), asm.Mov.Imm(asm.R5, 0), asm.FnSkLookupUdp.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"), asm.Mov.Reg(asm.R7, asm.R0),
		asm.Mov.Reg(asm.R1, asm.R6), asm.Mov.Reg(asm.R2, asm.R7), asm.Mov.Imm(asm.R3, 0), asm.FnSkAssign.Call(), asm.Mov.Reg(asm.R8, asm.R0),
		asm.Mov.Reg(asm.R1, asm.R7), asm.FnSkRelease.Call(), asm.Mov.Imm(asm.R0, 0), asm.JEq.Imm(asm.R8, 0, "out"), asm.Mov.Imm(asm.R0, 2),
		asm.Return().WithSymbol("out"),
	}
}

// assignTarget sends packets that programs give to sockets.
func assignTarget() error {
	pod, err := newPod("host0")
	if err != nil {
		return err
	}
	address := func(name, cidr string) error {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(cidr)
		return errors.Join(err, netlink.AddrAdd(l, a))
	}
	if err := errors.Join(address("host0", "10.9.0.1/24"), pod.do(func() error { return address("inside", "10.9.0.2/24") })); err != nil {
		return fmt.Errorf("address: %w", err)
	}
	receivers := map[string]net.PacketConn{}
	for _, port := range []string{"5000", "5001"} {
		if receivers[port], err = net.ListenPacket("udp4", "10.9.0.1:"+port); err != nil {
			return err
		}
	}
	send := func(port, text string) error {
		return pod.do(func() error {
			c, err := net.Dial("udp4", "10.9.0.1:"+port)
			if err != nil {
				return err
			}
			_, err = c.Write([]byte(text))
			return errors.Join(err, c.Close())
		})
	}
	if err := send("5000", "last"); err != nil { // neighbours know each other then
		return err
	}
	if _, err := untilLast(receivers["5000"]); err != nil {
		return err
	}
	ran, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		return err
	}
	for _, to := range []uint16{5000, 5001, 5002} {
		prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: assignProgram(to, ran)})
		if err != nil {
			return err
		}
		l, err := ebpflink.AttachTCX(ebpflink.TCXOptions{Interface: pod.host, Program: prog, Attach: ebpf.AttachTCXIngress})
		if err != nil {
			return err
		}
		who := "nobody"
		if err := errors.Join(ran.Put(uint32(0), uint32(0)), send("5000", "packet"), (&moves{ran: ran}).hasRun(), l.Close(), prog.Close(), send("5000", "last"), send("5001", "last")); err != nil {
			return err
		}
		for port, c := range receivers {
			n, err := untilLast(c)
			if err != nil {
				return err
			}
			if n > 0 {
				who = port
			}
		}
		fmt.Printf("for port 5000, given to %d: %s gets it\n", to, who)
	}
	return nil
}

// untilLast counts what comes before what says that it is the last.
func untilLast(c net.PacketConn) (n int, err error) {
	for buf := make([]byte, 16); ; n++ {
		size, _, err := c.ReadFrom(buf)
		if err != nil || string(buf[:size]) == "last" {
			return n, err
		}
	}
}
