package kernel

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

func (s *stage) process(spec mprog.ProcessSpec) mprog.Process {
	s.t.Helper()
	p, err := s.NewProcess(spec)
	require.NoError(s.t, err)
	return p
}

func TestNewProcess(t *testing.T) {
	s := newStage(t)
	a, b, c := s.prog("a"), s.prog("b"), s.prog("c")
	link, err := s.link(a, 0)
	require.NoError(t, err)
	child := s.process(mprog.ProcessSpec{})

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
		TargetIfindex: loopback, AttachType: mprog.TCXIngress, ProgFD: c,
	})
	require.NoError(t, err)
	require.NoError(t, child.Exit())
	s.expect(6, b)
	assert.ErrorIs(t, child.Close(a), errExited)
	assert.ErrorIs(t, child.Exit(), errExited)
}

func TestNewProcessInNetns(t *testing.T) {
	s := newStage(t)
	a := s.prog("a")
	netns, err := s.NewNetns()
	require.NoError(t, err)
	child := s.process(mprog.ProcessSpec{Netns: netns})
	require.NoError(t, child.ProgAttach(mprog.AttachRequest{
		TargetIfindex: loopback, AttachType: mprog.TCXIngress, AttachFD: a,
	}))
	s.expect(1) // the first process has another loopback device
}

func TestNewProcessWithoutCapabilities(t *testing.T) {
	const (
		netAdmin = mprog.CapNetAdmin
		sysAdmin = mprog.CapSysAdmin
		bpf      = mprog.CapBPF
	)
	for _, test := range []struct {
		name  string
		drop  []mprog.Capability
		query mprog.Errno
	}{
		{"all", nil, 0},
		{"no CAP_BPF", []mprog.Capability{bpf}, 0},
		{"no CAP_NET_ADMIN", []mprog.Capability{netAdmin}, 0},
		{"no CAP_SYS_ADMIN", []mprog.Capability{sysAdmin}, 0},
		{"neither CAP_NET_ADMIN nor CAP_SYS_ADMIN", []mprog.Capability{netAdmin, sysAdmin}, mprog.EPERM},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStage(t)
			a := s.prog("a")
			child := s.process(mprog.ProcessSpec{Without: test.drop})
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
