package newttest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept"
	"github.com/nkconform/nkconform/mprog"
)

// A network namespace that is ended takes its devices and their peers along, when
// nobody lives there any more; the test sees that at once.
func TestEndNetns(t *testing.T) {
	for _, c := range []struct {
		name   string
		inside int // processes that live there
		exits  int // and end
		gone   bool
	}{
		{"nobody inside", 0, 0, true},
		{"a process inside", 1, 0, false},
		{"the last one exits", 2, 2, true},
		{"one of two exits", 2, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, newT := range map[string]func(*testing.T) *fake.Kernel{
				"NewT": func(t *testing.T) *fake.Kernel {
					return intercept.NewT(t, fake.Allow(fake.LeakedFDs, fake.LeakedLinks))
				},
				"fake": func(t *testing.T) *fake.Kernel { return fake.NewT(t, fake.Allow(fake.LeakedFDs, fake.LeakedLinks)) },
			} {
				t.Run(name, func(t *testing.T) { endNetns(t, newT(t), c.inside, c.exits, c.gone) })
			}
		})
	}
}

func endNetns(t *testing.T, k *fake.Kernel, processes, exits int, gone bool) {
	nk0, nk1 := k.Netkit("nk0", "nk1")
	prog, err := k.LoadProg(mprog.ProgSpec{Name: "a"})
	require.NoError(t, err)
	link, err := k.LinkCreate(mprog.LinkCreateRequest{TargetIfindex: nk0, AttachType: mprog.NetkitPeer, ProgFD: prog})
	require.NoError(t, err)
	pod, err := k.NewNetns()
	require.NoError(t, err)
	_, err = k.MoveDevice(nk1, pod)
	require.NoError(t, err)
	var inside []mprog.Process
	for range processes {
		p, err := k.NewProcess(mprog.ProcessSpec{Netns: pod})
		require.NoError(t, err)
		inside = append(inside, p)
	}
	require.NoError(t, k.EndNetns(pod))
	for _, p := range inside[:exits] {
		require.NoError(t, p.Exit())
	}
	state := k.Hook(nk0, mprog.NetkitPeer)
	require.Equal(t, gone, state.Err == mprog.ENODEV, "%v", state)
	info, err := k.ObjectInfo(link)
	require.NoError(t, err)
	require.Equal(t, gone, info.Ifindex == 0, "ifindex %d", info.Ifindex)

	require.ErrorIs(t, k.EndNetns(pod), mprog.EBADF)
	require.ErrorIs(t, k.EndNetns(pod+1), mprog.EINVAL)
	require.ErrorIs(t, k.EndNetns(0), mprog.ErrUnsupported)
	_, err = k.NewProcess(mprog.ProcessSpec{Netns: pod})
	require.ErrorIs(t, err, mprog.EBADF)
	nk2, _ := k.Netkit("nk2", "nk3")
	_, err = k.MoveDevice(nk2, pod)
	require.ErrorIs(t, err, mprog.EBADF)
}
