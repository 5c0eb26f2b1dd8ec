// Package newttest tests intercept.NewT as its users have it: from a test program
// of its own, through cilium/ebpf and netlink.
package newttest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept"
	"github.com/nkconform/nkconform/mprog"
)

func TestMain(m *testing.M) { intercept.Main(m, intercept.Options{Skip: true}) }

func newProgram(t testing.TB, name string) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: name, Type: ebpf.SchedCLS, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, -1), asm.Return()},
	})
	require.NoError(t, err)
	t.Cleanup(func() { p.Close() })
	return p
}

// upsert attaches by a link and pins it.
func upsert(device, pin string, p *ebpf.Program) error {
	d, err := netlink.LinkByName(device)
	if err != nil {
		return err
	}
	l, err := link.AttachNetkit(link.NetkitOptions{Interface: d.Attrs().Index, Program: p, Attach: ebpf.AttachNetkitPrimary})
	if err != nil {
		return err
	}
	defer l.Close()
	return l.Pin(pin)
}

var pin = filepath.Join(mprog.BPFFS, "agent")

func TestUpsert(t *testing.T) {
	k := intercept.NewT(t, fake.Linux("6.12"), fake.Allow(fake.LeakedPins))
	nk0, _ := k.Netkit("nk0", "nk1")
	mine := newProgram(t, "mine")
	stop := k.Before(fake.Match{Op: mprog.OpObjPin, Nth: 1}, fake.Fail(mprog.ENOSPC))
	require.ErrorIs(t, upsert("nk0", pin, mine), unix.ENOSPC)
	require.Equal(t, "revision 1 []", k.Hook(nk0, mprog.NetkitPrimary).String())
	stop()
	require.NoError(t, upsert("nk0", pin, mine))
	require.Equal(t, "revision 4 [mine@l2]", k.Hook(nk0, mprog.NetkitPrimary).String())
}

func TestRival(t *testing.T) {
	k := intercept.NewT(t, fake.Allow(fake.LeakedPins, fake.LeakedFDs))
	nk0, _ := k.Netkit("nk0", "nk1")
	mine := newProgram(t, "mine")
	k.Before(fake.Match{Op: mprog.OpObjPin, Nth: 1}, fake.Rival(func(k *fake.Kernel) {
		rival, err := k.LoadProg(mprog.ProgSpec{Name: "rival"})
		require.NoError(t, err)
		require.NoError(t, k.ProgAttach(mprog.AttachRequest{
			TargetIfindex: nk0, AttachType: mprog.NetkitPrimary, AttachFD: rival, Flags: mprog.Before,
		}))
	}))
	require.NoError(t, upsert("nk0", pin, mine))
	require.Equal(t, "revision 3 [rival mine@l1]", k.Hook(nk0, mprog.NetkitPrimary).String())
	t.Log(k.Trace())
}

func TestDeviceGoes(t *testing.T) {
	k := intercept.NewT(t)
	nk0, _ := k.Netkit("nk0", "nk1")
	mine := newProgram(t, "mine")
	l, err := link.AttachNetkit(link.NetkitOptions{Interface: int(nk0), Program: mine, Attach: ebpf.AttachNetkitPrimary})
	require.NoError(t, err)
	defer l.Close()
	k.Before(fake.Match{Op: mprog.OpLinkUpdate, Nth: 1}, fake.Rival(func(k *fake.Kernel) {
		require.NoError(t, k.DeleteDevice(nk0))
	}))
	require.ErrorIs(t, l.Update(newProgram(t, "other")), unix.ENOLINK)
	_, err = netlink.LinkByName("nk0")
	require.ErrorAs(t, err, new(netlink.LinkNotFoundError))
}

func TestGate(t *testing.T) {
	k := intercept.NewT(t, fake.Allow(fake.LeakedPins))
	nk0, _ := k.Netkit("nk0", "nk1")
	mine, other := newProgram(t, "mine"), newProgram(t, "other")
	gate := fake.NewGate()
	k.Before(fake.Match{Op: mprog.OpObjPin, Nth: 1}, gate.Hold)
	done := make(chan error)
	go func() { done <- upsert("nk0", pin, mine) }()
	<-gate.Held()
	require.Equal(t, "revision 2 [mine@l1]", k.Hook(nk0, mprog.NetkitPrimary).String())
	require.NoError(t, upsert("nk0", pin+"2", other)) // meanwhile
	gate.Open()
	require.NoError(t, <-done)
	require.Equal(t, "revision 3 [mine@l1 other@l2]", k.Hook(nk0, mprog.NetkitPrimary).String())
}

func TestLostAnswer(t *testing.T) {
	k := intercept.NewT(t, fake.Allow(fake.LeakedLinks))
	nk0, _ := k.Netkit("nk0", "nk1")
	k.After(fake.Match{Op: mprog.OpLinkCreate, Nth: 1}, fake.Fail(mprog.ENOMEM))
	require.ErrorIs(t, upsert("nk0", pin, newProgram(t, "mine")), unix.ENOMEM)
	require.Equal(t, "revision 2 [mine@l1]", k.Hook(nk0, mprog.NetkitPrimary).String())
}

func TestObserve(t *testing.T) {
	k := intercept.NewT(t, fake.Allow(fake.LeakedPins))
	k.Netkit("nk0", "nk1")
	var ops []mprog.Op
	stop := k.Observe(func(e *fake.Event) { ops = append(ops, e.Op) })
	require.NoError(t, upsert("nk0", pin, newProgram(t, "mine")))
	stop()
	require.Contains(t, ops, mprog.OpLinkCreate)
	require.Contains(t, ops, mprog.OpObjPin)
	require.Contains(t, ops, mprog.OpProgLoad)
}

func TestNetnsAndProcesses(t *testing.T) {
	k := intercept.NewT(t, fake.Allow(fake.LeakedFDs))
	nk0, nk1 := k.Netkit("nk0", "nk1")
	pod, err := k.NewNetns()
	require.NoError(t, err)
	moved, err := k.MoveDevice(nk1, pod)
	require.NoError(t, err)
	p, err := k.NewProcess(mprog.ProcessSpec{Netns: pod})
	require.NoError(t, err)
	_, err = p.ProgQuery(mprog.QueryRequest{TargetIfindex: moved, AttachType: mprog.TCXIngress})
	require.NoError(t, err)
	weak, err := k.NewProcess(mprog.ProcessSpec{Without: []mprog.Capability{mprog.CapNetAdmin, mprog.CapSysAdmin}})
	require.NoError(t, err)
	_, err = weak.ProgQuery(mprog.QueryRequest{TargetIfindex: nk0, AttachType: mprog.NetkitPrimary})
	require.ErrorIs(t, err, mprog.EPERM)
	require.NoError(t, p.Exit())
	ids := make([]uint32, 4)
	fd := uint32(newProgram(t, "mine").FD()) // an fd of the program's
	require.NoError(t, k.ProgAttach(mprog.AttachRequest{TargetIfindex: nk0, AttachType: mprog.NetkitPrimary, AttachFD: fd}))
	q, err := k.ProgQuery(mprog.QueryRequest{TargetIfindex: nk0, AttachType: mprog.NetkitPrimary, Count: 4, ProgIDs: ids})
	require.NoError(t, err)
	require.EqualValues(t, 1, q.Count)
	require.NotZero(t, ids[0])
}

// A device stays where it is moved to already; lo and what is not there cannot be.
func TestMoveNowhere(t *testing.T) {
	for name, k := range map[string]*fake.Kernel{"NewT": intercept.NewT(t), "fake": fake.NewT(t)} {
		t.Run(name, func(t *testing.T) {
			nk0, _ := k.Netkit("nk0", "nk1")
			stays, err := k.MoveDevice(nk0, 0)
			require.NoError(t, err)
			require.Equal(t, nk0, stays)
			_, err = k.MoveDevice(1, 0)
			require.ErrorIs(t, err, mprog.EINVAL)
			_, err = k.MoveDevice(4711, 0)
			require.ErrorIs(t, err, mprog.ENODEV)
		})
	}
}

// A fresh kernel for each: nothing of the tests before is there.
func TestFresh(t *testing.T) {
	for range 3 {
		t.Run("", func(t *testing.T) {
			k := intercept.NewT(t, fake.Allow(fake.LeakedPins))
			nk0, _ := k.Netkit("nk0", "nk1")
			require.NoError(t, upsert("nk0", pin, newProgram(t, "mine")))
			require.Equal(t, "revision 2 [mine@l1]", k.Hook(nk0, mprog.NetkitPrimary).String())
		})
	}
	_, err := os.Stat(pin)
	require.ErrorIs(t, err, os.ErrNotExist)
}
