package kernel

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// patience is how long the end of a thread and its namespace may take.
const patience = 20 * time.Second

func TestShutdownLeavesNothing(t *testing.T) {
	needBPFFS(t)
	expediteRCU(t)
	watcher := newKernel(t, mprog.FeatureTCX)
	links := watching(t, watcher)
	filesBefore, namespacesBefore, mountsBefore := openFiles(t), namespaces(t), mounts(t)

	k, err := New()
	require.NoError(t, err)
	tid := k.thread.tid
	end := watchNamespace(t, links, tid)
	prog := loadProg(t, k, "a")
	id := progInfo(t, k.Process, prog).ID
	_, err = k.LinkCreate(mprog.LinkCreateRequest{
		TargetIfindex: loopback, AttachType: mprog.TCXIngress, ProgFD: prog,
	})
	require.NoError(t, err)
	netns, err := k.NewNetns()
	require.NoError(t, err)
	_, err = k.NewProcess(mprog.ProcessSpec{Netns: netns})
	require.NoError(t, err)
	require.NoError(t, k.ObjPin(mprog.PinRequest{Path: pinned, FD: prog}))
	_, err = k.Transmit(loopback)
	require.NoError(t, err)
	require.NotEqual(t, namespacesBefore, namespaces(t))
	require.NoError(t, k.Shutdown())

	assert.Equal(t, filesBefore, openFiles(t))
	assert.NoDirExists(t, "/proc/self/task/"+strconv.Itoa(tid))
	assert.Equal(t, namespacesBefore, namespaces(t))
	assert.Equal(t, mountsBefore, mounts(t))
	assert.NotContains(t, readFile(t, "/proc/self/maps"), "bpf-map")
	assert.Eventually(t, end, patience, time.Millisecond, "the namespace lives")
	assert.Eventually(t, func() bool { return !progExists(t, watcher.Process, id) },
		patience, time.Millisecond, "the program lives")
}

func TestFailedNewLeavesNothing(t *testing.T) {
	newKernel(t)
	before := openFiles(t)
	_, err := startProcess(func() error { return os.ErrInvalid }, func(*Process) error { return nil })
	assert.ErrorIs(t, err, os.ErrInvalid)
	assert.Equal(t, before, openFiles(t))
}

// childVariable makes this test binary a program that starts an environment,
// prints its thread's id and waits to be killed.
const childVariable = "NKCONFORM_KERNEL_TEST_CHILD"

func TestKillLeavesNothing(t *testing.T) {
	watcher := newKernel(t, mprog.FeatureTCX)
	if os.Getenv(childVariable) != "" {
		fd := loadProg(t, watcher, "a")
		require.NoError(t, watcher.ProgAttach(mprog.AttachRequest{
			TargetIfindex: loopback, AttachType: mprog.TCXIngress, AttachFD: fd,
		}))
		fmt.Println(progInfo(t, watcher.Process, fd).ID, watcher.thread.tid)
		time.Sleep(patience)
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^TestKillLeavesNothing$")
	child.Env = append(os.Environ(), childVariable+"=1")
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	defer child.Process.Kill()

	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	var id uint32
	var tid int
	_, err = fmt.Sscan(line, &id, &tid)
	require.NoError(t, err, line)
	require.True(t, progExists(t, watcher.Process, id))
	end := watchNamespace(t, watching(t, watcher), tid)

	require.NoError(t, child.Process.Kill())
	_ = child.Wait()
	assert.Eventually(t, end, patience, time.Millisecond, "the namespace lives")
	assert.Eventually(t, func() bool { return !progExists(t, watcher.Process, id) },
		patience, time.Millisecond, "the program lives")
}

// watchNamespace puts one end of a pair of devices into the namespace of a
// thread and returns a function that tells whether the namespace has ended, with
// which the pair goes. It skips the test on a kernel without pairs.
func watchNamespace(t *testing.T, links *netlink.Handle, tid int) (ended func() bool) {
	t.Helper()
	attrs, peer := netlink.NewLinkAttrs(), netlink.NewLinkAttrs()
	attrs.Name, peer.Name, peer.Namespace = "watch0", "watch1", netlink.NsPid(tid)
	netkit := &netlink.Netkit{LinkAttrs: attrs}
	netkit.SetPeerAttrs(&peer)
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: peer.Name, PeerNamespace: peer.Namespace}
	if err := links.LinkAdd(veth); err != nil {
		if err := links.LinkAdd(netkit); err != nil {
			t.Skipf("no way to see a namespace's end: add a pair of devices: %v", err)
		}
	}
	return func() bool {
		_, err := links.LinkByName(attrs.Name)
		return err != nil
	}
}

// watching is rtnetlink in an environment's namespace, for any thread.
func watching(t *testing.T, k *Kernel) (links *netlink.Handle) {
	t.Helper()
	thread, err := startThread(func() (err error) {
		if err := k.Enter(); err != nil {
			return err
		}
		links, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	require.NoError(t, err)
	thread.stop()
	t.Cleanup(links.Close)
	return links
}

// openFiles lists what the program's descriptors refer to.
func openFiles(t *testing.T) []string { return targets(t, "/proc/self/fd/*") }

// namespaces lists the different network and mount namespaces of the program's
// threads.
func namespaces(t *testing.T) []string {
	return slices.Concat(slices.Compact(targets(t, "/proc/self/task/*/ns/net")),
		slices.Compact(targets(t, "/proc/self/task/*/ns/mnt")))
}

func mounts(t *testing.T) string { return readFile(t, "/proc/self/mountinfo") }

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

// targets lists, sorted, where the links go that match pattern.
func targets(t *testing.T, pattern string) []string {
	t.Helper()
	links, err := filepath.Glob(pattern)
	require.NoError(t, err)
	var targets []string
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil {
			targets = append(targets, target)
		}
	}
	slices.Sort(targets)
	return targets
}
