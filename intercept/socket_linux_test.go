//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/internal/doctor"
)

// socketProgram looks a socket up by a tuple that the packet begins with, and puts
// what it is told there.
func socketProgram(fn asm.BuiltinFunc, size int) asm.Instructions {
	insns := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1), asm.LoadMem(asm.R7, asm.R1, 76, asm.Word), asm.LoadMem(asm.R3, asm.R1, 80, asm.Word),
		asm.Mov.Imm(asm.R0, -1), asm.Mov.Reg(asm.R4, asm.R7), asm.Add.Imm(asm.R4, 96), asm.JGT.Reg(asm.R4, asm.R3, "out"),
	}
	for i := 0; i < 36; i += 4 {
		insns = append(insns, asm.LoadMem(asm.R1, asm.R7, int16(i), asm.Word), asm.StoreMem(asm.RFP, int16(i-40), asm.R1, asm.Word))
	}
	insns = append(insns, asm.Mov.Reg(asm.R1, asm.R6), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -40),
		asm.Mov.Imm(asm.R3, int32(size)), asm.Mov.Imm(asm.R4, -1), asm.Mov.Imm(asm.R5, 0), fn.Call(), asm.JEq.Imm(asm.R0, 0, "out"))
	for _, at := range []int{0, 4, 8, 12, 16, 24, 44, 52, 72} { // words of struct bpf_sock
		if fn == asm.FnSkcLookupTcp && (at == 8 || at == 12 || at == 16) {
			continue // of whole sockets
		}
		insns = append(insns, asm.LoadMem(asm.R1, asm.R0, int16(at), asm.Word), asm.StoreMem(asm.R7, int16(at), asm.R1, asm.Word))
	}
	insns = append(insns, asm.LoadMem(asm.R1, asm.R0, 48, asm.Half), asm.StoreMem(asm.R7, 48, asm.R1, asm.Half))
	return append(insns, asm.Mov.Reg(asm.R1, asm.R0), asm.FnSkRelease.Call(), asm.Mov.Imm(asm.R0, 1), asm.Return().WithSymbol("out"))
}

// openSockets opens what is to be found, in the current namespace, and returns the
// addresses that there are and what has to be kept.
func openSockets() (list []netip.AddrPort, open []any, err error) {
	l, err := netlink.LinkByName("lo")
	if err != nil {
		return nil, nil, err
	}
	if err := netlink.LinkSetUp(l); err != nil {
		return nil, nil, err
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:80")
	if err != nil {
		return nil, nil, err
	}
	list = append(list, netip.MustParseAddrPort("127.0.0.1:80"))
	for range 2 {
		conn, err := net.Dial("tcp4", "127.0.0.1:80")
		if err != nil {
			return nil, nil, err
		}
		open = append(open, conn)
		list = append(list, conn.LocalAddr().(*net.TCPAddr).AddrPort())
	}
	accepted, err := listener.Accept()
	if err != nil {
		return nil, nil, err
	}
	open = append(open, listener, accepted)
	for network, address := range map[string]string{"tcp6": "[::1]:81", "tcp4": "0.0.0.0:82"} {
		l, err := net.Listen(network, address)
		if err != nil {
			return nil, nil, err
		}
		open = append(open, l)
	}
	for network, address := range map[string]string{"udp4": "127.0.0.1:53", "udp6": "[::1]:54"} {
		l, err := net.ListenPacket(network, address)
		if err != nil {
			return nil, nil, err
		}
		open = append(open, l)
	}
	udp, err := net.Dial("udp4", "127.0.0.1:53")
	if err != nil {
		return nil, nil, err
	}
	for _, more := range []string{"[::1]:81", "127.0.0.1:82", "127.0.0.1:53", "[::1]:54", "127.0.0.1:9", "[::1]:9", "127.9.9.9:82"} {
		list = append(list, netip.MustParseAddrPort(more))
	}
	return append(list, udp.LocalAddr().(*net.UDPAddr).AddrPort()), append(open, udp), nil
}

// TestSockets has sockets looked up here and by the running kernel.
func TestSockets(t *testing.T) {
	doctor.Need(t, "root")
	c, tid, err := newContainer()
	require.NoError(t, err)
	defer c.end()
	var addresses []netip.AddrPort
	var open []any
	require.NoError(t, c.do(func() (err error) { addresses, open, err = openSockets(); return err }))
	defer runtime.KeepAlive(&open) // else they are closed
	there := outside(func() (int, error) {
		return unix.Open(fmt.Sprintf("/proc/%d/ns/net", tid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	})
	r := rand.New(rand.NewPCG(1, 0))
	found := map[asm.BuiltinFunc]int{}
	for _, fn := range []asm.BuiltinFunc{asm.FnSkLookupTcp, asm.FnSkLookupUdp, asm.FnSkcLookupTcp} {
		for _, size := range []int{12, 36} {
			insns := socketProgram(fn, size)
			loaded, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: insns})
			require.NoError(t, err)
			defer loaded.Close()
			var code bytes.Buffer
			require.NoError(t, insns.Marshal(&code, byteOrder()))
			p := machine.New(code.Bytes(), machine.SKB)
			for range 100 {
				remote, local := addresses[r.IntN(len(addresses))], addresses[r.IntN(len(addresses))]
				if (remote.Addr().Is6() != local.Addr().Is6()) || local.Addr().Is4() != (size == 12) {
					continue
				}
				question := make([]byte, 110)
				n := copy(question, remote.Addr().AsSlice())
				n += copy(question[n:], local.Addr().AsSlice())
				copy(question[n:], []byte{byte(remote.Port() >> 8), byte(remote.Port()), byte(local.Port() >> 8), byte(local.Port())})
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
					t.Skip(err)
				}
				require.NoError(t, err)
				require.Equal(t, int32(want), got, "%s of %s to %s", fn, remote, local)
				require.Equal(t, wanted[:96], packet.Data[:96], "%s of %s to %s", fn, remote, local)
				found[fn] += int(got)
			}
		}
	}
	t.Log("sockets found: ", found)
	for fn, n := range found {
		require.NotZero(t, n, fn)
	}
}
