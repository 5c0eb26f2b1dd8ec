package kernel

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

// A process on the thread of one that has ended has nothing of it: all capabilities,
// and no descriptors but those that it inherits itself.
func TestReusedThread(t *testing.T) {
	s := newStage(t)
	a := s.prog("a")
	query := mprog.QueryRequest{TargetIfindex: loopback, AttachType: mprog.TCXIngress}
	first := s.process(mprog.ProcessSpec{Without: []mprog.Capability{mprog.CapNetAdmin, mprog.CapSysAdmin}}).(*Process)
	tid := first.thread.tid
	_, err := first.ProgQuery(query)
	assert.ErrorIs(t, err, mprog.EPERM)
	extra, err := first.Dup(a)
	require.NoError(t, err)
	require.NoError(t, first.Exit())
	assert.ErrorIs(t, first.Close(a), errExited)

	second := s.process(mprog.ProcessSpec{}).(*Process)
	require.Equal(t, tid, second.thread.tid, "the thread is used again")
	_, err = second.ProgQuery(query)
	assert.NoError(t, err)
	assert.ErrorIs(t, second.Close(extra), mprog.EBADF)
	assert.NoError(t, second.Close(a))
	assert.ErrorIs(t, first.Exit(), errExited, "the thread is another's now")

	netns, err := s.NewNetns()
	require.NoError(t, err)
	require.NoError(t, second.Exit())
	elsewhere := s.process(mprog.ProcessSpec{Netns: netns}).(*Process)
	assert.NotEqual(t, tid, elsewhere.thread.tid)
}

// Within Run, environments of the pool are opened and shut down one after the other.
func TestPoolRun(t *testing.T) {
	pool := &Pool{}
	var used []*Kernel
	err := pool.Run(func() {
		for range 3 {
			env, err := pool.New()
			if !assert.NoError(t, err) {
				return
			}
			used = append(used, env.(leased).Kernel)
			_, err = env.LoadProg(mprog.ProgSpec{Name: "a", Mute: true, Used: true})
			assert.NoError(t, err)
			assert.NoError(t, env.Shutdown())
		}
	})
	if err != nil {
		skipOrFail(t, err, ErrUnavailable)
	}
	require.Len(t, used, 3)
	assert.Same(t, used[0], used[2])
	require.NoError(t, pool.Close())
	assert.ErrorIs(t, used[0].Close(0), errExited)
}
