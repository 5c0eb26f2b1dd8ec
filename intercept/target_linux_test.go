//go:build amd64 || arm64

package intercept

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// targets are what runs on the simulated kernel. Each returns an exit status.
var targets = map[string]func() int{
	"hooks":      check(hooksTarget),
	"lifetime":   check(lifetimeTarget),
	"foreign":    check(foreignTarget),
	"pins":       check(pinsTarget),
	"netlink":    check(netlinkTarget),
	"namespaces": check(namespacesTarget),
	"hostile":    check(hostileTarget),
	"mapped":     check(mappedTarget),
	"packets":    check(packetsTarget),
	"redirects":  check(redirectsTarget),
	"killed":     check(killedTarget),
	"ticking":    check(tickingTarget),
	"forks":      check(forksTarget),
	"closed":     check(closedTarget),
	"addresses":  check(addressesTarget),
	"held":       check(heldTarget),
	"rounds":     check(roundsTarget),
	"busy":       check(busyTarget),
	"median":     check(medianTarget),
	"filters":    check(filtersTarget),
	"classifier": check(classifierTarget),
	"lend":       check(lendTarget),
	"traffic":    check(trafficTarget),
	"ending":     check(endingTarget),
	"deleting":   check(deletingTarget),
	"counters":   check(countersTarget),
	"reads":      check(readsTarget),
	"speed":      check(speedTarget),
	"own":        check(ownTarget),
	"hooked":     check(hookedTarget),
	"released":   check(releasedTarget),
	"waiting":    check(waitingTarget),
	"kept":       check(keptTarget),
	"tags":       check(tagsTarget),
	"pairs":      check(pairsTarget),
	"xdp":        check(xdpTarget),
	"options":    check(optionsTarget),
	"inert":      check(inertTarget),
	"samples":    check(samplesTarget),
	"reader":     check(readerTarget),
	"operations": check(operationsTarget),
	"users":      check(usersTarget),
	"nested":     check(nestedTarget),
	"xdpanswers": check(xdpAnswersTarget),
	"groups":     check(groupsTarget),
	"ethtool":    check(ethtoolTarget),
	"xdpmoves":   check(xdpMovesTarget),
	"assign":     check(assignTarget),
	"sockettags": check(socketTagsTarget),
	"neighbours": check(neighboursTarget),

	"files": check(filesTarget),
	"timed": check(timedTarget),
	"who":   check(whoTarget),
}

func check(f func() error) func() int {
	return func() int {
		if err := f(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
}

// bpf makes a call. The attr is on the heap, where it stays put.
func bpfCall(number int, attr []byte) (int, error) {
	p := make([]byte, max(len(attr), 128))
	copy(p, attr)
	r, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(number), uintptr(unsafe.Pointer(&p[0])), uintptr(len(attr)))
	copy(attr, p)
	if errno != 0 {
		return -1, errno
	}
	return int(r), nil
}

func words(v ...uint32) []byte {
	var p []byte
	for _, w := range v {
		p = binary.NativeEndian.AppendUint32(p, w)
	}
	return p
}

func address(p *byte) (low, high uint32) {
	a := uint64(uintptr(unsafe.Pointer(p)))
	return uint32(a), uint32(a >> 32)
}

var (
	twoInsns = []byte{0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0}
	gpl      = []byte("GPL\x00")
)

func loadProgram() (int, error) {
	il, ih := address(&twoInsns[0])
	ll, lh := address(&gpl[0])
	return bpfCall(5, append(words(3, 2, il, ih, ll, lh, 0, 0, 0, 0, 0, 0), targetName+"\x00\x00\x00\x00\x00"...))
}

// targetName is what targets call their programs.
const targetName = "intercepted"

const (
	loIndex    = 1
	tcxIngress = 46
	netkitHook = 54
)

func attach(ifindex, fd, at int, revision uint64) error {
	_, err := bpfCall(8, binary.NativeEndian.AppendUint64(words(uint32(ifindex), uint32(fd), uint32(at), 0, 0, 0), revision))
	return err
}

func link(ifindex, fd, at int) (int, error) {
	return bpfCall(28, words(uint32(fd), uint32(ifindex), uint32(at), 0))
}

// count queries how many programs are on a hook.
func count(ifindex, at int) (int, error) {
	a := words(uint32(ifindex), uint32(at), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	_, err := bpfCall(16, a)
	return int(binary.NativeEndian.Uint32(a[24:])), err
}

func want(what string, got, expected any) error {
	if got != expected {
		return fmt.Errorf("%s: got %v, want %v", what, got, expected)
	}
	return nil
}

func hooksTarget() error {
	nk0, err := net.InterfaceByName("nk0")
	if err != nil {
		return err
	}
	a, err := loadProgram()
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	b, err := loadProgram()
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	l, err := link(nk0.Index, a, netkitHook)
	if err != nil {
		return fmt.Errorf("link: %w", err)
	}
	err = errors.Join(
		attach(nk0.Index, b, netkitHook, 0),
		want("at an old revision", attach(nk0.Index, b, netkitHook, 9), unix.ESTALE),
		want("again", attach(nk0.Index, b, netkitHook, 0), unix.EEXIST),
		want("a socket", attach(nk0.Index, 1, netkitHook, 0), unix.EINVAL),
		want("nothing", attach(nk0.Index, 800, netkitHook, 0), unix.EBADF),
		want("on lo", attach(loIndex, b, netkitHook, 0), unix.ENXIO),
		attach(loIndex, b, tcxIngress, 0),
		want("nowhere", attach(4242, b, netkitHook, 0), unix.ENODEV),
	)
	n, queryErr := count(nk0.Index, netkitHook)
	return errors.Join(err, queryErr, want("programs", n, 2), unix.Close(l))
}

// A link lives as long as any copy of its fd, in whatever process or message.
func lifetimeTarget() error {
	prog, err := loadProgram()
	if err != nil {
		return err
	}
	l, err := link(loIndex, prog, tcxIngress)
	if err != nil {
		return err
	}
	expect := func(when string, n int) error {
		got, err := count(loIndex, tcxIngress)
		return errors.Join(err, want(when, got, n))
	}
	dup, err := unix.Dup(l)
	if err != nil {
		return err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	err = errors.Join(
		unix.Close(l), expect("a copy is open", 1),
		unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(dup), nil, 0),
		unix.Close(dup), expect("a message holds it", 1),
		unix.Close(pair[0]), unix.Close(pair[1]), expect("nobody holds it", 0),
	)
	if err != nil {
		return err
	}
	// One in a child that does not close it, but ends.
	if l, err = link(loIndex, prog, tcxIngress); err != nil {
		return err
	}
	if _, err := unix.FcntlInt(uintptr(l), unix.F_SETFD, 0); err != nil {
		return err
	}
	child, err := os.StartProcess("/proc/self/exe", []string{"reads"},
		&os.ProcAttr{Env: append(os.Environ(), targetVariable+"=reads"), Files: func() []*os.File {
			r, _, _ := os.Pipe()
			return []*os.File{r, nil, os.Stderr, os.NewFile(uintptr(l), "link")}
		}()})
	if err != nil {
		return err
	}
	if err := errors.Join(expect("a child has it", 1), child.Kill()); err != nil {
		return err
	}
	_, err = child.Wait()
	return errors.Join(err, expect("os.File has it", 1))
}

// readsTarget ends with its input.
func readsTarget() error {
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// Numbers of bpf(2) that are not the machine's own are ENOSYS.
func foreignTarget() error {
	if runtime.GOARCH != "amd64" {
		return nil
	}
	_, _, errno := unix.Syscall(unix.SYS_BPF|0x40000000, 5, 0, 0)
	return want("x32", errno, unix.ENOSYS)
}

func pinsTarget() error {
	var fs unix.Statfs_t
	if err := unix.Statfs("/sys/fs/bpf", &fs); err != nil || fs.Type != unix.BPF_FS_MAGIC {
		fmt.Println("no bpf file system here")
		return nil
	}
	prog, err := loadProgram()
	if err != nil {
		return err
	}
	l, err := link(loIndex, prog, tcxIngress)
	if err != nil {
		return err
	}
	name := []byte("/sys/fs/bpf/dir/link\x00")
	low, high := address(&name[0])
	pin := func() error {
		_, err := bpfCall(6, words(low, high, uint32(l), 0))
		return err
	}
	if err := errors.Join(want("no folder", pin(), unix.ENOENT), unix.Mkdir("/sys/fs/bpf/dir", 0o700), pin(),
		want("again", pin(), unix.EEXIST), unix.Close(l)); err != nil {
		return err
	}
	text, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(prog))
	if err := errors.Join(err, want("readlink", text, "anon_inode:bpf-prog")); err != nil {
		return err
	}
	if err := os.Rename("/sys/fs/bpf/dir/link", "/sys/fs/bpf/moved"); err != nil {
		return err
	}
	n, err := count(loIndex, tcxIngress)
	if err := errors.Join(err, want("pinned", n, 1), os.Remove("/sys/fs/bpf/moved")); err != nil {
		return err
	}
	n, err = count(loIndex, tcxIngress)
	return errors.Join(err, want("unlinked", n, 0))
}

func netlinkTarget() error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = "x0", 1400
	nk := &netlink.Netkit{LinkAttrs: attrs, Mode: netlink.NETKIT_MODE_L2, Policy: netlink.NETKIT_POLICY_BLACKHOLE,
		Scrub: netlink.NETKIT_SCRUB_DEFAULT, PeerScrub: netlink.NETKIT_SCRUB_DEFAULT}
	peer := netlink.NewLinkAttrs()
	peer.Name = "x1"
	nk.SetPeerAttrs(&peer)
	if err := netlink.LinkAdd(nk); err != nil {
		return fmt.Errorf("add: %w", err)
	}
	if err := want("again", netlink.LinkAdd(nk), unix.EEXIST); err != nil {
		return err
	}
	l, err := netlink.LinkByName("x0")
	if err != nil {
		return err
	}
	got, ok := l.(*netlink.Netkit)
	if !ok {
		return fmt.Errorf("x0 is a %T", l)
	}
	err = errors.Join(want("mtu", got.MTU, 1400), want("mode", got.Mode, netlink.NETKIT_MODE_L2),
		want("policy", got.Policy, netlink.NETKIT_POLICY_BLACKHOLE), want("primary", got.IsPrimary(), true),
		netlink.LinkSetUp(l), netlink.LinkSetName(l, "y0"))
	if err != nil {
		return err
	}
	if l, err = netlink.LinkByIndex(got.Index); err != nil {
		return err
	}
	all, err := netlink.LinkList()
	names := func() (list []string) {
		for _, l := range all {
			list = append(list, l.Attrs().Name)
		}
		return list
	}()
	err = errors.Join(err, want("renamed", l.Attrs().Name, "y0"), want("up", l.Attrs().Flags&net.FlagUp, net.FlagUp),
		want("in the list", slices.Contains(names, "x1") && slices.Contains(names, "lo"), true), netlink.LinkDel(l))
	if err != nil {
		return err
	}
	_, err = netlink.LinkByName("x1")
	return want("peer of a deleted device", errors.As(err, new(netlink.LinkNotFoundError)), true)
}

// A device is in one network namespace, and its hooks with it.
func namespacesTarget() error {
	runtime.LockOSThread() // and never unlock: the thread changes namespaces
	prog, err := loadProgram()
	if err != nil {
		return err
	}
	nk0, err := net.InterfaceByName("nk0")
	if err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		fmt.Println("no other network namespaces here:", err)
		return nil
	}
	if err := want("elsewhere", attach(nk0.Index, prog, netkitHook, 0), unix.ENODEV); err != nil {
		return err
	}
	for range 50 { // numbers of namespaces are used again
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "z0"
		h, err := netlink.NewHandle()
		if err != nil {
			return err
		}
		if err := h.LinkAdd(&netlink.Netkit{LinkAttrs: attrs, Scrub: 1, PeerScrub: 1}); err != nil {
			return fmt.Errorf("add: %w", err)
		}
		l, err := h.LinkByName("z0")
		if err != nil {
			return err
		}
		if err := attach(l.Attrs().Index, prog, netkitHook, 1); err != nil {
			return fmt.Errorf("attach: %w", err)
		}
		h.Close()
	}
	return nil
}

// Garbage is refused, and nothing else happens.
func hostileTarget() error {
	var wg sync.WaitGroup
	for seed := range uint64(4) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, seed))
			for range 500 {
				unix.Syscall(unix.SYS_BPF, uintptr(r.Uint32N(40)), uintptr(r.Uint64()), uintptr(r.Uint32N(5000)))
				unix.Syscall(unix.SYS_RECVMSG, 900, uintptr(r.Uint64()), 0)
				unix.Syscall6(unix.SYS_RECVFROM, 900, uintptr(r.Uint64()), 100, 0, 8, 8)
				unix.Syscall(unix.SYS_IOCTL, 0, unix.SIOCGIFINDEX, uintptr(r.Uint64()))
				if fd, err := loadProgram(); err == nil {
					unix.Close(fd) // while others may just be using it
				}
			}
		})
	}
	wg.Wait()
	// Without a free fd, there is no program either.
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	low := unix.Rlimit{Cur: 3, Max: limit.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		return err
	}
	_, err := loadProgram()
	return errors.Join(want("no free fd", err, unix.EMFILE), unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
}

// An array map that can be mapped is memory shared with the program.
func mappedTarget() error {
	m, err := bpfCall(0, words(2, 4, 8, 2, 1<<10))
	if err != nil {
		return err
	}
	data, err := unix.Mmap(m, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	key, value := words(1), words(7, 0)
	kl, kh := address(&key[0])
	vl, vh := address(&value[0])
	if _, err := bpfCall(2, words(uint32(m), 0, kl, kh, vl, vh, 0, 0)); err != nil {
		return fmt.Errorf("update: %w", err)
	}
	if err := want("in memory", data[8], byte(7)); err != nil {
		return err
	}
	data[8] = 9
	if _, err := bpfCall(1, words(uint32(m), 0, kl, kh, vl, vh, 0, 0)); err != nil {
		return fmt.Errorf("lookup: %w", err)
	}
	if err := want("from memory", value[0], byte(9)); err != nil {
		return err
	}
	// The mapping holds the map, whose id is 1, and another fd does.
	id := func() error {
		fd, err := bpfCall(14, words(1, 0, 0))
		if err == nil {
			err = unix.Close(fd)
		}
		return err
	}
	if err := errors.Join(unix.Close(m), id()); err != nil {
		return fmt.Errorf("mapped: %w", err)
	}
	if err := unix.Munmap(data); err != nil {
		return err
	}
	return want("unmapped", id(), unix.ENOENT)
}

// rounds of attaching, querying and closing, whose answers are all known: each
// thread has a hook of its own.
func roundsTarget() error {
	const threads = 4
	rounds := 10_000 / threads
	if n, err := strconv.Atoi(os.Getenv("INTERCEPT_TEST_ROUNDS")); err == nil {
		rounds = n
	}
	errs := make(chan error, threads)
	stop := make(chan struct{})
	defer close(stop)
	go func() { // garbage, for collections and their signals
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				runtime.GC()
			}
		}
	}()
	for i := range threads {
		go func() {
			errs <- func() error {
				name := fmt.Sprintf("r%d", i)
				attrs := netlink.NewLinkAttrs()
				attrs.Name = name
				if err := netlink.LinkAdd(&netlink.Netkit{LinkAttrs: attrs, Scrub: 1, PeerScrub: 1}); err != nil {
					return fmt.Errorf("add %s: %w", name, err)
				}
				l, err := netlink.LinkByName(name)
				if err != nil {
					return err
				}
				index := l.Attrs().Index
				prog, err := loadProgram()
				if err != nil {
					return err
				}
				for round := range rounds {
					fd, err := link(index, prog, netkitHook)
					if err != nil {
						return fmt.Errorf("round %d: link: %w", round, err)
					}
					n, err := count(index, netkitHook)
					if err := errors.Join(err, want("attached", n, 1), unix.Close(fd)); err != nil {
						return fmt.Errorf("round %d: %w", round, err)
					}
					n, err = count(index, netkitHook)
					if err := errors.Join(err, want("closed", n, 0)); err != nil {
						return fmt.Errorf("round %d: %w", round, err)
					}
				}
				return nil
			}()
		}()
	}
	var all error
	for range threads {
		all = errors.Join(all, <-errs)
	}
	return all
}

// busyTarget prints its process id and makes calls until they are not answered.
func busyTarget() error {
	fmt.Println(os.Getpid())
	for {
		prog, err := loadProgram()
		if err != nil {
			return err
		}
		if l, err := link(loIndex, prog, tcxIngress); err == nil {
			unix.Close(l)
		}
		unix.Close(prog)
	}
}

// medianTarget prints how many nanoseconds a query takes.
func medianTarget() error {
	runtime.LockOSThread()
	times := make([]time.Duration, 20_000)
	a := words(loIndex, tcxIngress, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	for i := range times {
		began := time.Now()
		_, _, errno := unix.RawSyscall(unix.SYS_BPF, 16, uintptr(unsafe.Pointer(&a[0])), uintptr(len(a)))
		times[i] = time.Since(began)
		if errno != 0 {
			return errno
		}
	}
	slices.Sort(times)
	fmt.Println(times[len(times)/2].Nanoseconds())
	return nil
}

// heldTarget has a program attached until its input ends.
func heldTarget() error {
	prog, err := loadProgram()
	if err != nil {
		return err
	}
	if _, err := link(loIndex, prog, tcxIngress); err != nil {
		return err
	}
	fmt.Println("attached")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
