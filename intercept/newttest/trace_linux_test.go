package newttest

import (
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept"
	"github.com/nkconform/nkconform/mprog"
)

// The trace of whatever a test does plays on the fake: what a trace cannot say is a
// comment.
func TestTracePlays(t *testing.T) {
	for _, c := range []struct {
		name  string
		test  func(t *testing.T, k *fake.Kernel)
		tells []string
	}{
		{"pins", pinAndUpdate, []string{"# pinned, which keeps it open: \"" + pin + "\" l1\n"}},
		{"faults and a device that goes", faultsAndRivals, []string{
			"# injected, not made: link refused nk0:primary mine size=64: link create: injected: ENOMEM\n",
			"# injected into the answer: link refused nk0:primary mine size=64: EIO\n",
			"# injected, not made: object pin: object pin: injected: ENOSPC\n", "\ndelete nk0\n",
		}},
		{"network namespaces", moveAway, []string{"\nmove nk0 ns1\n", "\nnetkit nk0x2 nk1x2\n"}},
		{"processes", weakProcess, []string{"# by a caller without capabilities: "}},
		{"a full hook", fillHook, []string{"ERANGE"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := intercept.NewT(t, fake.Allow(fake.LeakedFDs, fake.LeakedLinks, fake.LeakedPins))
			c.test(t, k)
			text := k.Trace().String()
			for _, part := range c.tells {
				require.Contains(t, text, part)
			}
			s, err := conformance.Parse("recorded", text)
			require.NoError(t, err)
			r := conformance.Run(fake.New(), s)
			require.Equal(t, conformance.Passed, r.Status, "%v\n%s", r.Failure, text)
		})
	}
}

func pinAndUpdate(t *testing.T, k *fake.Kernel) {
	k.Netkit("nk0", "nk1")
	p := newProgram(t, "mine")
	require.NoError(t, upsert("nk0", pin, p))
	l, err := link.LoadPinnedLink(pin, nil)
	require.NoError(t, err)
	require.NoError(t, l.Update(newProgram(t, "other")))
	require.NoError(t, l.Close())
	require.NoError(t, p.Pin(pin+"p"))
	require.NoError(t, p.Close())
	require.NoError(t, os.Remove(pin))
	require.NoError(t, os.Remove(pin+"p"))
}

func faultsAndRivals(t *testing.T, k *fake.Kernel) {
	nk0, _ := k.Netkit("nk0", "nk1")
	attach := func(k *fake.Kernel, name string) {
		fd, err := k.LoadProg(mprog.ProgSpec{Name: name})
		require.NoError(t, err)
		_, err = k.LinkCreate(mprog.LinkCreateRequest{TargetIfindex: nk0, AttachType: mprog.NetkitPrimary, ProgFD: fd, Flags: mprog.Before})
		require.NoError(t, err)
	}
	k.Before(fake.Match{Op: mprog.OpLinkCreate, Nth: 1}, fake.Fail(mprog.ENOMEM))
	k.Before(fake.Match{Op: mprog.OpObjPin, Nth: 1}, fake.Fail(mprog.ENOSPC))
	k.After(fake.Match{Op: mprog.OpLinkCreate, Nth: 1}, func(c *fake.Call) error {
		require.NoError(t, fake.Rival(func(k *fake.Kernel) { attach(k, "rival") })(c))
		return mprog.EIO
	})
	k.After(fake.Match{Op: mprog.OpLinkUpdate, Nth: 1}, fake.Fail(mprog.EIO))
	k.Before(fake.Match{Op: mprog.OpLinkUpdate, Nth: 2}, fake.Rival(func(k *fake.Kernel) {
		attach(k, "late")
		require.NoError(t, k.DeleteDevice(nk0))
	}))
	p, other := newProgram(t, "mine"), newProgram(t, "other")
	require.ErrorIs(t, upsert("nk0", pin, p), unix.ENOMEM)
	require.ErrorIs(t, upsert("nk0", pin, p), unix.EIO)
	require.ErrorIs(t, upsert("nk0", pin, other), unix.ENOSPC)
	require.NoError(t, upsert("nk0", pin, other))
	l, err := link.LoadPinnedLink(pin, nil)
	require.NoError(t, err)
	defer l.Close()
	require.ErrorIs(t, l.Update(newProgram(t, "new")), unix.EIO)
	require.ErrorIs(t, l.Update(newProgram(t, "newer")), unix.ENOLINK)
}

func moveAway(t *testing.T, k *fake.Kernel) {
	nk0, nk1 := k.Netkit("nk0", "nk1")
	require.NoError(t, upsert("nk0", pin, newProgram(t, "mine")))
	pod, err := k.NewNetns()
	require.NoError(t, err)
	there, err := k.MoveDevice(nk0, pod)
	require.NoError(t, err)
	p, err := k.NewProcess(mprog.ProcessSpec{Netns: pod})
	require.NoError(t, err)
	other := uint32(newProgram(t, "other").FD())
	require.NoError(t, p.ProgAttach(mprog.AttachRequest{TargetIfindex: there, AttachType: mprog.NetkitPrimary, AttachFD: other}))
	_, err = link.AttachNetkit(link.NetkitOptions{Interface: int(nk0), Program: newProgram(t, "third"), Attach: ebpf.AttachNetkitPrimary})
	require.ErrorIs(t, err, unix.ENODEV)
	require.NoError(t, k.DeleteDevice(nk1))
	k.Netkit("nk0", "nk1")
	require.NoError(t, os.Remove(pin))
	require.NoError(t, upsert("nk0", pin, newProgram(t, "again")))
}

func weakProcess(t *testing.T, k *fake.Kernel) {
	nk0, _ := k.Netkit("nk0", "nk1")
	p, err := k.NewProcess(mprog.ProcessSpec{Without: []mprog.Capability{mprog.CapNetAdmin, mprog.CapSysAdmin}})
	require.NoError(t, err)
	mine := uint32(newProgram(t, "mine").FD())
	require.NoError(t, k.ProgAttach(mprog.AttachRequest{TargetIfindex: nk0, AttachType: mprog.NetkitPrimary, AttachFD: mine}))
	r := mprog.DetachRequest{TargetIfindex: nk0, AttachType: mprog.NetkitPrimary} // the last, whichever it is
	require.ErrorIs(t, p.ProgDetach(r), mprog.EPERM)
	require.NoError(t, k.ProgDetach(r))
}

func fillHook(t *testing.T, k *fake.Kernel) {
	nk0, _ := k.Netkit("nk0", "nk1")
	o := link.NetkitOptions{Interface: int(nk0), Attach: ebpf.AttachNetkitPrimary, Anchor: link.Head()}
	for range mprog.MaxPrograms {
		o.Program = newProgram(t, "x")
		l, err := link.AttachNetkit(o)
		require.NoError(t, err)
		defer l.Close()
	}
	o.Program = newProgram(t, "x")
	_, err := link.AttachNetkit(o)
	require.ErrorIs(t, err, unix.ERANGE)
}
