//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
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

func TestTraffic(t *testing.T) {
	doctor.Need(t, "tun")
	for _, name := range []string{"traffic", "ending", "deleting", "counters", "own", "hooked", "released", "waiting", "tags", "pairs", "xdp", "ethtool"} {
		t.Run(name, func(t *testing.T) { t.Log(output(t, target(t, "", name))) })
		if os.Geteuid() != 0 {
			continue
		}
		t.Run(name+" as an ordinary user", func(t *testing.T) {
			doctor.Need(t, "userns")
			if tun, err := os.Stat("/dev/net/tun"); err != nil || tun.Mode()&0o006 != 0o006 {
				t.Skip("needs /dev/net/tun for everybody")
			}
			t.Log(output(t, ordinary(t, target(t, "", name))))
		})
	}
}

// ordinary has a command run by nobody, from a copy of the test program that nobody
// may run.
func ordinary(t testing.TB, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	dir, err := os.MkdirTemp("", "")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	program, err := os.ReadFile(cmd.Path)
	require.NoError(t, err)
	path := dir + "/intercept.test"
	require.NoError(t, os.WriteFile(path, program, 0o755))
	for i, arg := range cmd.Args {
		if arg == cmd.Path {
			cmd.Args[i] = path
		}
	}
	cmd.Path, cmd.Dir = path, dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return cmd
}

// container is a network namespace with a thread in it.
type container struct{ jobs chan func() }

func newContainer() (*container, int, error) {
	c := &container{jobs: make(chan func())}
	ready := make(chan error)
	var tid int
	var live func()
	live = func() {
		runtime.LockOSThread() // and never unlock: the thread, and the namespace, end with the goroutine
		if tid = unix.Gettid(); tid == unix.Getpid() {
			defer runtime.UnlockOSThread() // the first thread does not end
			relayed := make(chan struct{})
			go func() {
				defer close(relayed)
				live()
			}()
			<-relayed
			return
		}
		ready <- unix.Unshare(unix.CLONE_NEWNET)
		for job := range c.jobs {
			job()
		}
	}
	go live()
	err := <-ready
	return c, tid, err
}

func (c *container) do(f func() error) error {
	done := make(chan error)
	c.jobs <- func() { done <- f() }
	return <-done
}

func (c *container) end() { close(c.jobs) }

// pair makes a netkit pair, nk0's other end in a container, with addresses of IPv4
// and IPv6.
func pair(c *container, tid int) (index int, err error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "eth0"
	peer := netlink.NewLinkAttrs()
	peer.Name = "inside"
	nk := &netlink.Netkit{LinkAttrs: attrs, Scrub: 1, PeerScrub: 1}
	nk.SetPeerAttrs(&peer)
	if err := netlink.LinkAdd(nk); err != nil {
		return 0, fmt.Errorf("add: %w", err)
	}
	inside, err := netlink.LinkByName("inside")
	if err != nil {
		return 0, err
	}
	if err := netlink.LinkSetNsPid(inside, tid); err != nil {
		return 0, fmt.Errorf("move: %w", err)
	}
	outside, err := netlink.LinkByName("eth0")
	if err != nil {
		return 0, err
	}
	err = c.do(func() error {
		inside, err := netlink.LinkByName("inside")
		if err != nil {
			return err
		}
		return errors.Join(want("kind inside", inside.Type(), "netkit"), furnish(inside, "10.9.0.2/24", "fd09::2/64"))
	})
	return outside.Attrs().Index, errors.Join(err, want("kind", outside.Type(), "netkit"), furnish(outside, "10.9.0.1/24", "fd09::1/64"))
}

func furnish(l netlink.Link, addresses ...string) error {
	for _, text := range addresses {
		a, err := netlink.ParseAddr(text)
		if err != nil {
			return err
		}
		a.Flags = unix.IFA_F_NODAD
		if err := netlink.AddrAdd(l, a); err != nil {
			return fmt.Errorf("address %s: %w", text, err)
		}
	}
	return netlink.LinkSetUp(l)
}

// portDropper drops TCP over IPv4 to a port.
func portDropper(port int32) *ebpf.ProgramSpec {
	return &ebpf.ProgramSpec{Name: "port", Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadAbs(linkHeader+9, asm.Byte), asm.JNE.Imm(asm.R0, unix.IPPROTO_TCP, "pass"),
		asm.LoadAbs(linkHeader+20+2, asm.Half), asm.JNE.Imm(asm.R0, port, "pass"),
		asm.Mov.Imm(asm.R0, 2), asm.Return(),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("pass"), asm.Return(),
	}}
}

// trafficTarget has TCP and UDP between namespaces, and a program drop one port.
func trafficTarget() error {
	c, tid, err := newContainer()
	if err != nil {
		return err
	}
	index, err := pair(c, tid)
	if err != nil {
		return err
	}
	serve := func(network, address string) error { return c.do(func() error { return serve(network, address) }) }
	if err := errors.Join(serve("tcp4", "10.9.0.2:80"), serve("tcp4", "10.9.0.2:81"), serve("tcp6", "[fd09::2]:80")); err != nil {
		return err
	}
	prog, err := ebpf.NewProgram(portDropper(81))
	if err != nil {
		return err
	}
	l, err := ebpflink.AttachNetkit(ebpflink.NetkitOptions{Interface: index, Program: prog, Attach: ebpf.AttachNetkitPrimary})
	if err != nil {
		return err
	}
	err = errors.Join(echoes("10.9.0.2:80"), echoes("[fd09::2]:80"))
	if _, dropped := net.DialTimeout("tcp", "10.9.0.2:81", 200*time.Millisecond); dropped == nil {
		err = errors.Join(err, errors.New("port 81 answers, though a program drops it"))
	}
	return errors.Join(err, l.Close(), echoes("10.9.0.2:81"))
}

// serve has a server return what it is sent.
func serve(network, address string) error {
	l, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				conn.Close()
			}()
		}
	}()
	return nil
}

// echoes compares what comes back from a server with what is sent.
func echoes(address string) error {
	const data = 4 << 20
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	sent := make([]byte, data)
	for i := range sent {
		sent[i] = byte(i * 7 >> 3)
	}
	go func() {
		_, _ = conn.Write(sent)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	return errors.Join(err, want("echo of "+address, string(got) == string(sent), true))
}

// hookedTarget has a program drop one port on lo and on a veth device, of the running
// kernel both.
func hookedTarget() error {
	c, tid, err := newContainer()
	if err != nil {
		return err
	}
	if err := vethPair(c, tid, "10.8.0."); err != nil {
		return err
	}
	v0, err := net.InterfaceByName("v0")
	if err != nil {
		return err
	}
	prog, err := ebpf.NewProgram(portDropper(81))
	if err != nil {
		return err
	}
	var all error
	for _, tc := range []struct {
		device int
		server func(func() error) error
		host   string
		at     ebpf.AttachType
	}{
		{loopbackIndex, func(f func() error) error { return f() }, "127.0.0.1", ebpf.AttachTCXEgress},
		{loopbackIndex, func(f func() error) error { return f() }, "127.0.0.2", ebpf.AttachTCXIngress},
		{v0.Index, c.do, "10.8.0.2", ebpf.AttachTCXEgress},
	} {
		err := tc.server(func() error {
			return errors.Join(serve("tcp4", tc.host+":80"), serve("tcp4", tc.host+":81"))
		})
		if err := errors.Join(err, echoes(tc.host+":81")); err != nil {
			return err
		}
		l, err := ebpflink.AttachTCX(ebpflink.TCXOptions{Interface: tc.device, Program: prog, Attach: tc.at})
		if err != nil {
			return err
		}
		all = errors.Join(all, echoes(tc.host+":80"))
		if conn, err := net.DialTimeout("tcp", tc.host+":81", 200*time.Millisecond); err == nil {
			conn.Close()
			all = errors.Join(all, fmt.Errorf("%s answers on port 81, though a program drops it", tc.host))
		}
		all = errors.Join(all, l.Close(), echoes(tc.host+":81"))
	}
	return all
}

// endingTarget has a namespace end with a device in it: the other end goes, and its
// link leads nowhere.
func endingTarget() error {
	c, tid, err := newContainer()
	if err != nil {
		return err
	}
	index, err := pair(c, tid)
	if err != nil {
		return err
	}
	prog, err := loadProgram()
	if err != nil {
		return err
	}
	l, err := link(index, prog, netkitHook)
	if err != nil {
		return err
	}
	c.end()
	for begin := time.Now(); ; { // the kernel ends namespaces in the background
		_, err := net.InterfaceByIndex(index)
		if err != nil {
			break
		}
		if time.Since(begin) > 10*time.Second {
			return errors.New("the pair outlives the namespace of one end")
		}
		runtime.Gosched()
	}
	_, err = bpfCall(29, words(uint32(l), uint32(prog), 0, 0))
	return errors.Join(want("update of its link", err, unix.ENOLINK), want("attach", attach(index, prog, netkitHook, 0), unix.ENODEV))
}

// deletingTarget deletes pairs while they carry packets.
func deletingTarget() error {
	for range 5 {
		c, tid, err := newContainer()
		if err != nil {
			return err
		}
		index, err := pair(c, tid)
		if err != nil {
			return err
		}
		conn, err := net.Dial("udp4", "10.9.0.2:9")
		if err != nil {
			return err
		}
		stopped := make(chan error)
		go func() {
			for {
				if _, err := conn.Write(make([]byte, 100)); errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EINVAL) {
					stopped <- nil
					return
				}
			}
		}()
		l, err := netlink.LinkByIndex(index)
		if err := errors.Join(err, netlink.LinkDel(l), <-stopped); err != nil {
			return err
		}
		err = c.do(func() error {
			_, err := netlink.LinkByName("inside")
			return want("the other end", errors.As(err, new(netlink.LinkNotFoundError)), true)
		})
		if err != nil {
			return err
		}
		conn.Close()
		c.end()
	}
	return nil
}

// ownTarget looks for what only the program has: names of namespaces, and a sysfs of
// its devices.
func ownTarget() error {
	if err := os.MkdirAll("/run/netns", 0o755); err != nil {
		return err
	}
	name := "/run/netns/" + ownName
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		return err
	}
	if err := unix.Mount("/proc/self/ns/net", name, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("name a namespace: %w", err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "shown0"
	if err := netlink.LinkAdd(&netlink.Netkit{LinkAttrs: attrs, Scrub: 1, PeerScrub: 1}); err != nil {
		return err
	}
	_, err := os.Stat("/sys/class/net/shown0")
	return err
}

const ownName = "nkconform-test"

// What a program leaves in /run is gone with it.
func TestNothingLeft(t *testing.T) {
	doctor.Need(t, "tun")
	output(t, target(t, "", "own"))
	require.NoFileExists(t, "/run/netns/"+ownName)
	require.NoFileExists(t, "/var/run/netns/"+ownName)
}

// tagsTarget reads what a program was told of a packet's mark right after the packet
// was sent, and what the sender is told of a drop.
func tagsTarget() error {
	c, tid, err := newContainer()
	if err != nil {
		return err
	}
	index, err := pair(c, tid)
	if err != nil {
		return err
	}
	seen, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1, Flags: unix.BPF_F_MMAPABLE})
	if err != nil {
		return err
	}
	memory, err := unix.Mmap(seen.FD(), 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	// Of UDP packets, the mark goes into the map; they are dropped.
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "mark", Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadAbs(linkHeader+9, asm.Byte), asm.JNE.Imm(asm.R0, unix.IPPROTO_UDP, "pass"),
		asm.LoadMem(asm.R7, asm.R6, 8, asm.Word),
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, seen.FD()), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, "pass"),
		asm.StoreMem(asm.R0, 0, asm.R7, asm.Word),
		asm.Mov.Imm(asm.R0, 2), asm.Return(),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("pass"), asm.Return(),
	}})
	if err != nil {
		return err
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	send := func(mark int) error {
		if err := unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_MARK, mark); err != nil {
			return fmt.Errorf("mark: %w", err)
		}
		return unix.Sendto(socket, []byte{1}, 0, &unix.SockaddrInet4{Addr: [4]byte{10, 9, 0, 2}, Port: 9})
	}
	told := func() uint32 { return native.Uint32(memory) }
	var all error
	for _, tc := range []struct {
		at   ebpf.AttachType
		seen uint32
	}{
		{ebpf.AttachTCXEgress, 7},
		{ebpf.AttachNetkitPrimary, 0}, // which is scrubbed, as the peer is elsewhere
	} {
		var l ebpflink.Link
		if tc.at == ebpf.AttachTCXEgress {
			l, err = ebpflink.AttachTCX(ebpflink.TCXOptions{Interface: index, Program: prog, Attach: tc.at})
		} else {
			l, err = ebpflink.AttachNetkit(ebpflink.NetkitOptions{Interface: index, Program: prog, Attach: tc.at})
		}
		if err != nil {
			return err
		}
		native.PutUint32(memory, 99)
		what := fmt.Sprint(tc.at)
		all = errors.Join(all, want(what+": sent", send(7), nil), want(what+": mark", told(), tc.seen),
			unix.SetsockoptInt(socket, unix.IPPROTO_IP, unix.IP_RECVERR, 1), want(what+": with errors", send(7), unix.ENOBUFS),
			unix.SetsockoptInt(socket, unix.IPPROTO_IP, unix.IP_RECVERR, 0), l.Close())
	}
	return all
}

// pairsTarget makes a thousand pairs, whose ifindexes follow each other.
func pairsTarget() error {
	const pairs = 1000
	h, err := netlink.NewHandle()
	if err != nil {
		return err
	}
	defer h.Close()
	before, err := h.LinkList()
	if err != nil {
		return err
	}
	for i := range pairs {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = fmt.Sprintf("p%d", i)
		if err := h.LinkAdd(&netlink.Netkit{LinkAttrs: attrs, Scrub: 1, PeerScrub: 1}); err != nil {
			return fmt.Errorf("pair %d: %w", i, err)
		}
	}
	after, err := h.LinkList()
	if err != nil {
		return err
	}
	first, last := after[len(before)].Attrs().Index, after[len(after)-1].Attrs().Index
	return errors.Join(want("devices", len(after), len(before)+2*pairs), want("ifindexes", last-first, 2*pairs-1))
}

// xdpTarget has generic XDP at the peer drop what nothing else does.
func xdpTarget() error {
	c, tid, err := newContainer()
	if err != nil {
		return err
	}
	if _, err := pair(c, tid); err != nil {
		return err
	}
	if err := c.do(func() error { return serve("tcp4", "10.9.0.2:80") }); err != nil {
		return err
	}
	for _, tc := range []struct {
		returns  int32
		answers  bool
		patience time.Duration
	}{{1, false, 200 * time.Millisecond}, {2, true, 10 * time.Second}} { // XDP_DROP, XDP_PASS
		prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{
			asm.Mov.Imm(asm.R0, tc.returns), asm.Return(),
		}})
		if err != nil {
			return err
		}
		var l ebpflink.Link
		err = c.do(func() error {
			inside, err := netlink.LinkByName("inside")
			if err != nil {
				return err
			}
			l, err = ebpflink.AttachXDP(ebpflink.XDPOptions{Program: prog, Interface: inside.Attrs().Index, Flags: ebpflink.XDPGenericMode})
			return err
		})
		if err != nil {
			return fmt.Errorf("attach: %w", err)
		}
		conn, err := net.DialTimeout("tcp", "10.9.0.2:80", tc.patience)
		if err == nil {
			conn.Close()
		}
		if err := errors.Join(want(fmt.Sprintf("answers with %d (%v)", tc.returns, err), err == nil, tc.answers), l.Close()); err != nil {
			return err
		}
	}
	return nil
}
