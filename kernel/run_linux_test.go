package kernel

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// All methods work on the environment's own thread, while other goroutines wait.
func TestRun(t *testing.T) {
	needBPFFS(t)
	s := newStage(t)
	var (
		wait sync.WaitGroup
		errs []error
		tids []int
		d    mprog.Delivery
	)
	check := func(err error) { errs = append(errs, err) }
	err := s.Run(func() {
		tids = append(tids, unix.Gettid())
		wait.Go(func() {
			_, err := s.LoadProg(mprog.ProgSpec{Name: "other"})
			assert.NoError(t, err)
		})
		fd, err := s.LoadProg(mprog.ProgSpec{Name: "a"})
		check(err)
		check(s.attach(fd, 0, 0, 0))
		ifindex, _, err := s.AddDevice(mprog.DeviceSpec{Kind: mprog.AnyDevice, Name: "d0"})
		check(err)
		netns, err := s.NewNetns()
		check(err)
		_, err = s.MoveDevice(ifindex, netns)
		check(err)
		q, err := s.NewProcess(mprog.ProcessSpec{Netns: netns})
		check(err)
		check(q.ObjPin(mprog.PinRequest{Path: pinned, FD: fd}))
		check(q.Unlink(pinned))
		check(q.Exit())
		check(s.ObjPin(mprog.PinRequest{Path: pinned, FD: fd}))
		check(s.Unlink(pinned))
		d, err = s.Transmit(loopback)
		check(err)
		check(s.Run(func() { tids = append(tids, unix.Gettid()) }))
		check(s.Close(fd))
	})
	require.NoError(t, err)
	for _, err := range errs {
		assert.NoError(t, err)
	}
	assert.Equal(t, []int{s.thread.tid, s.thread.tid}, tids)
	assert.True(t, d.Delivered)
	assert.Len(t, d.Ran, 1)
	wait.Wait()

	require.NoError(t, s.Shutdown())
	assert.ErrorIs(t, s.Run(func() {}), errExited)
}
