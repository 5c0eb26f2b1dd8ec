package sim

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/layout"
	"github.com/nkconform/nkconform/intercept/machine"
)

// sockets is a namespace with lo and sockets that the test has made, which are what the
// running kernel finds there.
type sockets struct {
	loopbackOnly
	list    []machine.Socket
	creates []int // flags of helpers of storages
}

// Socket finds the socket of a connection, or else who takes what comes to an address.
func (s *sockets) Socket(q machine.SocketQuestion) (found machine.Socket, ok bool, err error) {
	for _, of := range s.list {
		switch {
		case of.Protocol != q.Protocol:
		case of.Local == q.Local && of.Remote == q.Remote:
			return of, true, nil
		case of.Remote.Port() == 0 && of.Local.Port() == q.Local.Port() && (of.Local.Addr() == q.Local.Addr() || of.Local.Addr().IsUnspecified()):
			found, ok = of, true
		}
	}
	return found, ok, nil
}

func (s *sockets) HasNetns(int32) (bool, error) { return false, nil }

func (s *sockets) SYNCookies() (machine.SYNCookies, error) { return machine.SYNCookies{Mode: 1}, nil }

// add tells of a socket as it is.
func (s *sockets) add(t *testing.T, fd int, protocol uint8, state uint8) machine.Socket {
	at := func(get func(int) (unix.Sockaddr, error)) netip.AddrPort {
		switch a, _ := get(fd); a := a.(type) {
		case *unix.SockaddrInet4:
			return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
		case *unix.SockaddrInet6:
			return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
		}
		return netip.AddrPort{}
	}
	of := machine.Socket{Protocol: protocol, State: state, Local: at(unix.Getsockname), Remote: at(unix.Getpeername)}
	if !of.Remote.IsValid() {
		nobody := netip.IPv4Unspecified()
		if of.Local.Addr().Is6() {
			nobody = netip.IPv6Unspecified()
		}
		of.Remote = netip.AddrPortFrom(nobody, 0)
	}
	var err error
	of.Cookie, err = unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
	require.NoError(t, err)
	only, _ := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
	of.OnlyIPv6 = only != 0
	of.Cgroups = func() []uint64 { return []uint64{1} }
	of.Priority = func() (uint32, error) {
		v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PRIORITY)
		return uint32(v), err
	}
	of.TCP = func() ([]byte, error) {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		return append([]byte{}, unsafe.Slice((*byte)(unsafe.Pointer(info)), unsafe.Sizeof(*info))...), err
	}
	of.Full = func() (bool, error) { return false, nil }
	s.list = append(s.list, of)
	return of
}

const (
	isTCP, isUDP      = unix.IPPROTO_TCP, unix.IPPROTO_UDP
	established       = 1  // TCP_ESTABLISHED
	timeWaiting       = 6  // TCP_TIME_WAIT
	closed            = 7  // TCP_CLOSE
	listening         = 10 // TCP_LISTEN
	newlyReceived     = 12 // TCP_NEW_SYN_RECV
	deferAccept       = 9  // TCP_DEFER_ACCEPT
	acceptAfterSecond = 60
)

// newSockets opens sockets of all states in this thread's network namespace.
func newSockets(t *testing.T) *sockets {
	s := &sockets{}
	open := func(family, kind int, address unix.Sockaddr) int {
		fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		t.Cleanup(func() { unix.Close(fd) })
		if err := unix.Bind(fd, address); err != nil {
			t.Skip("no address to bind to: ", err)
		}
		return fd
	}
	v4, v6 := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}, &unix.SockaddrInet6{Addr: [16]byte{15: 1}}
	for _, of := range []struct {
		family int
		at     unix.Sockaddr
	}{{unix.AF_INET, v4}, {unix.AF_INET6, v6}} {
		listener := open(of.family, unix.SOCK_STREAM, of.at)
		require.NoError(t, unix.SetsockoptInt(listener, unix.SOL_SOCKET, unix.SO_PRIORITY, 3))
		require.NoError(t, unix.SetsockoptInt(listener, unix.IPPROTO_TCP, deferAccept, acceptAfterSecond))
		require.NoError(t, unix.Listen(listener, 10))
		s.add(t, listener, isTCP, listening)
		to, err := unix.Getsockname(listener)
		require.NoError(t, err)
		for kind := range 3 {
			client := open(of.family, unix.SOCK_STREAM, of.at)
			require.NoError(t, unix.Connect(client, to))
			c := s.add(t, client, isTCP, established)
			if kind == 0 { // waits for data, to which the server has none but a request
				s.list = append(s.list, machine.Socket{Protocol: isTCP, State: newlyReceived, Local: c.Remote, Remote: c.Local})
				continue
			}
			_, err := unix.Write(client, []byte("hello"))
			require.NoError(t, err)
			server, _, err := unix.Accept(listener)
			require.NoError(t, err)
			require.NoError(t, unix.SetsockoptInt(server, unix.SOL_SOCKET, unix.SO_PRIORITY, 5))
			if kind == 1 {
				t.Cleanup(func() { unix.Close(server) })
				s.add(t, server, isTCP, established)
				continue
			}
			var buf [8]byte
			_, err = unix.Read(server, buf[:])
			require.NoError(t, err)
			require.NoError(t, unix.Shutdown(client, unix.SHUT_WR))
			_, _ = unix.Read(server, buf[:])
			unix.Close(server)
			_, _ = unix.Read(client, buf[:])
			s.list[len(s.list)-1] = machine.Socket{Protocol: isTCP, State: timeWaiting, Local: c.Local, Remote: c.Remote}
			unix.Close(client)
		}
		receiver := open(of.family, unix.SOCK_DGRAM, of.at)
		s.add(t, receiver, isUDP, closed)
		to, err = unix.Getsockname(receiver)
		require.NoError(t, err)
		sends := open(of.family, unix.SOCK_DGRAM, of.at)
		require.NoError(t, unix.Connect(sends, to))
		s.add(t, sends, isUDP, established)
	}
	return s
}

// tuple is a struct bpf_sock_tuple for one of the sockets, or for nobody.
func (s *sockets) tuple(r *rand.Rand) (tuple []byte, protocol uint8) {
	of := s.list[r.IntN(len(s.list))]
	remote, local := of.Remote, of.Local
	switch r.IntN(6) {
	case 0: // the other way round
		remote, local = local, remote
	case 1:
		remote = netip.AddrPortFrom(remote.Addr(), 9)
	}
	tuple = append(append(tuple, remote.Addr().AsSlice()...), local.Addr().AsSlice()...)
	for _, port := range []uint16{remote.Port(), local.Port()} {
		tuple = append(tuple, byte(port>>8), byte(port))
	}
	return tuple, of.Protocol
}

// headersAt is where in the memory headers of IP and TCP are, for SYN cookies.
const headersAt = textAt + 64

// onFound does something with the socket in r8: what it returns is in r0.
func onFound(r *rand.Rand, of *layout.Types, typ ebpf.ProgramType, whole bool, creates []int) (name string, insns asm.Instructions) {
	labels++
	none := fmt.Sprint("none", labels)
	self := asm.Mov.Reg(asm.R1, asm.R8)
	load := func(fn asm.BuiltinFunc, at int, size asm.Size) asm.Instructions {
		return asm.Instructions{
			self, fn.Call(), asm.JEq.Imm(asm.R0, 0, none), asm.LoadMem(asm.R0, asm.R0, int16(at), size), asm.Mov.Reg(asm.R1, asm.R0).WithSymbol(none),
		}
	}
	cast := func(fn asm.BuiltinFunc, structure, field string, size asm.Size) (string, asm.Instructions) {
		return fmt.Sprint(fn, " ", field), load(fn, int(of.Structure(structure)[field].Offset), size)
	}
	call := func(fn asm.BuiltinFunc, arguments ...any) (string, asm.Instructions) {
		s := callStep(fn, arguments...)
		return s.name, s.insns
	}
	inR8 := func(reg asm.Register, s step) (string, asm.Instructions) { // behind its other arguments
		n := len(s.insns) - 1
		return s.name, append(append(append(asm.Instructions{}, s.insns[:n]...), asm.Mov.Reg(reg, asm.R8)), s.insns[n])
	}
	tc := typ == ebpf.SchedCLS || typ == ebpf.CGroupSKB
	for {
		switch r.IntN(15) {
		case 0:
			at := oneOf(r, 0, 4, 24, 44, 52, 72)
			if whole {
				at = oneOf(r, at, 8, 12, 16, 20)
			}
			return fmt.Sprint("load ", at), asm.Instructions{asm.LoadMem(asm.R0, asm.R8, int16(at), asm.Word)}
		case 1:
			if tc {
				at := oneOf(r, 0, 4, 8, 12, 16, 20, 24, 72)
				return fmt.Sprint("FnSkFullsock ", at), load(asm.FnSkFullsock, at, asm.Word)
			}
		case 2, 3:
			if tc {
				at := oneOf(r, 0, 8, 12, 28, 44, 48, 52, 56, 60, 64, 68, 72, 76, 104, 108)
				return fmt.Sprint("FnTcpSock ", at), load(asm.FnTcpSock, at, asm.Word)
			}
		case 4:
			if tc {
				at := oneOf(r, 4, 44, 72)
				return fmt.Sprint("FnGetListenerSock ", at), load(asm.FnGetListenerSock, at, asm.Word)
			}
		case 5, 6:
			if tc {
				name, insns = inR8(asm.R2, callStep(asm.FnSkStorageGet, mapRef(theStorage), 0, oneOf[any](r, 0, inputPlace(r)), oneOf(r, creates...)))
				return name, counted(step{insns: insns}).insns
			}
		case 7:
			if tc {
				return inR8(asm.R2, callStep(asm.FnSkStorageDelete, mapRef(theStorage), 0))
			}
		case 8:
			if typ == ebpf.SchedCLS {
				return inR8(asm.R2, callStep(asm.FnSkAssign, theContext, 0, oneOf(r, 0, 0, 1)))
			}
		case 9:
			return cast(asm.FnSkcToTcpSock, "tcp_sock", oneOf(r, "inet_conn.icsk_inet.sk.__sk_common.skc_num", "inet_conn.icsk_inet.sk.__sk_common.skc_dport"), asm.Half)
		case 10:
			return oneOf(r, func() (string, asm.Instructions) {
				return cast(asm.FnSkcToTcp6Sock, "tcp6_sock", "tcp.inet_conn.icsk_inet.sk.__sk_common.skc_num", asm.Half)
			}, func() (string, asm.Instructions) {
				return cast(asm.FnSkcToUdp6Sock, "udp6_sock", "udp.inet.sk.__sk_common.skc_num", asm.Half)
			})()
		case 11:
			return oneOf(r, func() (string, asm.Instructions) {
				return cast(asm.FnSkcToTcpTimewaitSock, "tcp_timewait_sock", "tw_sk.__tw_common.skc_state", asm.Byte)
			}, func() (string, asm.Instructions) {
				return cast(asm.FnSkcToTcpRequestSock, "tcp_request_sock", "req.req.__req_common.skc_state", asm.Byte)
			})()
		case 12:
			s := isNotZero(callStep(asm.FnSkcToUnixSock, 0))
			s.insns[0] = self
			return s.name, s.insns
		case 13:
			if typ == ebpf.SchedCLS || typ == ebpf.XDP {
				fn, size := oneOf(r, asm.FnTcpCheckSyncookie, asm.FnTcpGenSyncookie), oneOf(r, 20, 20, 20, 24, 40)
				return inR8(asm.R1, callStep(fn, 0, place{headersAt}, oneOf(r, 20, 40, 40, 60), place{headersAt + 64}, size))
			}
		case 14:
			if typ == ebpf.CGroupSKB {
				return inR8(asm.R1, callStep(oneOf(r, asm.FnSkCgroupId, asm.FnSkAncestorCgroupId), 0, oneOf(r, 0, 1, 9, -1&0xffffffff)))
			}
			if typ == ebpf.SchedCLS || typ == ebpf.XDP {
				fn := oneOf(r, asm.FnTcpRawGenSyncookieIpv4, asm.FnTcpRawGenSyncookieIpv6)
				return call(fn, place{headersAt}, place{headersAt + 64}, 24) // whose header says another length
			}
		}
	}
}

// headers are those of IP and TCP.
func headers(r *rand.Rand) []byte {
	p := make([]byte, 128)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	p[0] = oneOf(r, byte(0x45), 0x60, 0x60, 0x50)
	p[64+12] = 5 << 4
	p[64+13] = oneOf(r, byte(2), 16, 2, 16, 4, 1, 18, 20)
	return p
}

// onSockets looks a socket up, or takes the sender's, and does something with it.
func (s *sockets) step(r *rand.Rand, of *layout.Types, typ ebpf.ProgramType, size int, protocol uint8) step {
	labels++
	none := fmt.Sprint("nobody", labels)
	if typ != ebpf.XDP && r.IntN(4) == 0 {
		name, insns := onFound(r, of, typ, false, s.creates)
		if r.IntN(8) == 0 {
			s := isNotZero(callStep(asm.FnSkcToMptcpSock, 0))
			s.insns[0] = asm.Mov.Reg(asm.R1, asm.R8)
			name, insns = s.name, s.insns
		}
		begin := asm.Instructions{asm.LoadMem(asm.R8, asm.R6, 168, asm.DWord), asm.Mov.Imm(asm.R0, 77), asm.JEq.Imm(asm.R8, 0, none)}
		return step{name: "of the sender: " + name, insns: append(append(begin, insns...), asm.Mov.Reg(asm.R1, asm.R0).WithSymbol(none))}
	}
	fn := asm.FnSkLookupUdp
	if protocol == isTCP {
		fn = oneOf(r, asm.FnSkLookupTcp, asm.FnSkcLookupTcp)
	}
	netns := oneOf[any](r, -1&0xffffffff, -1&0xffffffff, -1&0xffffffff, int64(-1), 7, int64(1<<40), int64(1<<31|1<<33))
	found := callStep(fn, theContext, place{textAt}, size, netns, oneOf(r, 0, 0, 0, 0, 0, 0, 1))
	name, insns := onFound(r, of, typ, fn != asm.FnSkcLookupTcp, s.creates)
	found.name += ": " + name
	found.insns = append(found.insns, asm.JEq.Imm(asm.R0, 0, none), asm.Mov.Reg(asm.R8, asm.R0))
	found.insns = append(found.insns, insns...)
	found.insns = append(found.insns, asm.Mov.Reg(asm.R9, asm.R0), asm.Mov.Reg(asm.R1, asm.R8), asm.FnSkRelease.Call(), asm.Mov.Reg(asm.R0, asm.R9),
		asm.Mov.Reg(asm.R1, asm.R0).WithSymbol(none))
	return found
}

// TestJudgeSockets has programs look sockets up and ask of them.
func TestJudgeSockets(t *testing.T) {
	of := kernelTypes(t)
	j := newJudge(t)
	all := newSockets(t)
	j.p.outside, all.creates = all, j.createFlags()
	j.p.task = taskHere(t)
	r := rand.New(rand.NewPCG(1, 0))
	j.all(1200, func() *trial {
		c := &trial{typ: oneOf(r, ebpf.SchedCLS, ebpf.SchedCLS, ebpf.CGroupSKB, ebpf.XDP), frame: randomFrame(r)}
		tuple, protocol := all.tuple(r)
		c.text = append(append(append([]byte{}, tuple...), make([]byte, headersAt-textAt-len(tuple))...), headers(r)...)
		c.note = fmt.Sprintf("%d %x", protocol, tuple)
		size := oneOf(r, len(tuple), len(tuple), len(tuple), len(tuple), 20)
		for range 1 + r.IntN(6) {
			c.steps = append(c.steps, all.step(r, of, c.typ, size, protocol))
		}
		return c
	})
}
