package kernel

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

func (s *stage) fork(spec ProcessSpec) *Process {
	s.t.Helper()
	p, err := s.Fork(spec)
	require.NoError(s.t, err)
	return p
}

func TestFork(t *testing.T) {
	s := newStage(t)
	a, b := s.prog("a"), s.prog("b")
	link, err := s.link(a, 0)
	require.NoError(t, err)
	child := s.fork(ProcessSpec{})

	for _, fd := range []uint32{a, b, link} {
		want, err := s.ObjectInfo(fd)
		require.NoError(t, err)
		got, err := child.ObjectInfo(fd)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	require.NoError(t, child.ProgAttach(mprog.AttachRequest{
		TargetIfindex: loopback, AttachType: mprog.TCXIngress, AttachFD: b,
	}))
	s.expect(3, a, b)

	require.NoError(t, s.Close(link))
	s.expect(3, a, b) // the child holds the link
	_, err = child.LinkCreate(mprog.LinkCreateRequest{
		TargetIfindex: loopback, AttachType: mprog.TCXIngress, ProgFD: loadProg(t, child, "c"),
	})
	require.NoError(t, err)
	child.Exit()
	s.expect(6, b)
	assert.ErrorIs(t, child.Close(a), errExited)
}

func TestForkIntoNetNS(t *testing.T) {
	s := newStage(t)
	a := s.prog("a")
	child := s.fork(ProcessSpec{NewNetNS: true})
	require.NoError(t, child.ProgAttach(mprog.AttachRequest{
		TargetIfindex: loopback, AttachType: mprog.TCXIngress, AttachFD: a,
	}))
	s.expect(1) // the first process has another loopback device
}

func TestForkWithoutCapabilities(t *testing.T) {
	const (
		netAdmin = unix.CAP_NET_ADMIN
		sysAdmin = unix.CAP_SYS_ADMIN
		bpf      = unix.CAP_BPF
	)
	for _, test := range []struct {
		name  string
		drop  []int
		query mprog.Errno
	}{
		{"all", nil, 0},
		{"no CAP_BPF", []int{bpf}, 0},
		{"no CAP_NET_ADMIN", []int{netAdmin}, 0},
		{"no CAP_SYS_ADMIN", []int{sysAdmin}, 0},
		{"neither CAP_NET_ADMIN nor CAP_SYS_ADMIN", []int{netAdmin, sysAdmin}, mprog.EPERM},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStage(t)
			a := s.prog("a")
			child := s.fork(ProcessSpec{Drop: test.drop})
			hook := mprog.AttachRequest{TargetIfindex: loopback, AttachType: mprog.TCXIngress, AttachFD: a}
			require.NoError(t, child.ProgAttach(hook))

			_, err := child.ProgQuery(mprog.QueryRequest{TargetIfindex: loopback, AttachType: mprog.TCXIngress})
			errno, _ := mprog.ErrnoOf(err)
			assert.Equal(t, test.query, errno)

			hook.AttachFD = 0 // any program
			errno, _ = mprog.ErrnoOf(child.ProgDetach(mprog.DetachRequest(hook)))
			assert.Equal(t, test.query, errno)
		})
	}
}
