package kernel

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

func TestIDs(t *testing.T) {
	s := newStage(t)
	a := s.prog("a")
	link, err := s.link(a, 0)
	require.NoError(t, err)
	prog := progInfo(t, s.Process, a).ID
	info, err := s.ObjectInfo(link)
	require.NoError(t, err)

	for _, test := range []struct {
		name  string
		id    uint32
		flags uint32
		size  uint32
		want  mprog.Errno
	}{
		{"found", prog, 0, 0, 0},
		{"short", prog, 0, 4, 0},
		{"zero", 0, 0, 0, mprog.ENOENT},
		{"unknown", 1 << 30, 0, 0, mprog.ENOENT},
		{"open_flags", prog, 1, 0, mprog.EINVAL},
		{"too long", prog, 0, 1 << 16, mprog.E2BIG},
	} {
		t.Run(test.name, func(t *testing.T) {
			fd, err := s.ProgFDByID(mprog.IDRequest{
				Shape: mprog.Shape{Size: test.size}, ID: test.id, OpenFlags: test.flags,
			})
			errno, _ := mprog.ErrnoOf(err)
			assert.Equal(t, test.want, errno)
			if err == nil {
				assert.NotEqual(t, a, fd)
				assert.Equal(t, prog, progInfo(t, s.Process, fd).ID)
			}
		})
	}
	fd, err := s.LinkFDByID(mprog.IDRequest{ID: info.ID})
	require.NoError(t, err)
	require.NoError(t, s.Close(link))
	s.expect(2, a)
	require.NoError(t, s.Close(fd))
	s.expect(1)

	next, err := s.ProgNextID(mprog.IDRequest{ID: prog - 1})
	require.NoError(t, err)
	assert.Equal(t, prog, next)
	_, err = s.LinkNextID(mprog.IDRequest{ID: 1<<31 - 2})
	assert.ErrorIs(t, err, mprog.ENOENT)
	_, err = s.LinkNextID(mprog.IDRequest{ID: 1<<31 - 1})
	assert.ErrorIs(t, err, mprog.EINVAL)
}

func TestDup(t *testing.T) {
	s := newStage(t)
	a := s.prog("a")
	link, err := s.link(a, 0)
	require.NoError(t, err)
	again, err := s.Dup(link)
	require.NoError(t, err)
	assert.Greater(t, again, link)
	require.NoError(t, s.Close(link))
	s.expect(2, a)
	require.NoError(t, s.Close(again))
	s.expect(1)
	for _, fd := range []uint32{link, 1 << 31, 1<<32 - 1, uint32(s.fds.inherited[0])} {
		_, err = s.Dup(fd)
		assert.ErrorIs(t, err, mprog.EBADF)
	}
}

func TestCommand(t *testing.T) {
	k := newKernel(t)
	var before []int
	require.NoError(t, k.do(func() { before, _ = listFDs() }))
	for _, test := range []struct {
		name    string
		command uint32
		shape   mprog.Shape
		want    mprog.Errno
	}{
		{"unknown", 999, mprog.Shape{}, mprog.EINVAL},
		{"unknown and too long", 999, mprog.Shape{Size: 1 << 16}, mprog.E2BIG},
		{"unknown and junk behind", 999, mprog.Shape{Size: 4096, Junk: 4000}, mprog.E2BIG},
		{"BPF_PROG_GET_FD_BY_ID", 13, mprog.Shape{}, mprog.ENOENT},
		{"BPF_OBJ_GET", 7, mprog.Shape{Size: 16}, mprog.EFAULT},
		{"BPF_ENABLE_STATS", 32, mprog.Shape{Size: 4}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := k.Command(mprog.CommandRequest{Shape: test.shape, Command: test.command})
			errno, _ := mprog.ErrnoOf(err)
			assert.Equal(t, test.want, errno)
		})
	}
	var after []int
	require.NoError(t, k.do(func() { after, _ = listFDs() }))
	assert.Equal(t, before, after, "a command's descriptor must not stay")
}

// A shape may damage an address inside the attr: the kernel must not write there.
func TestQueryDamagedAddresses(t *testing.T) {
	s := newStage(t)
	require.NoError(t, s.attach(s.prog("a"), 0, 0, 0))
	for _, test := range []struct {
		name  string
		shape mprog.Shape
		want  mprog.Errno
	}{
		{"prog_ids", mprog.Shape{Junk: 16}, mprog.EFAULT},
		{"prog_ids cut", mprog.Shape{Size: 20}, 0}, // and no count
		{"count", mprog.Shape{Junk: 24}, mprog.EFAULT},
		{"prog_attach_flags", mprog.Shape{Junk: 34}, mprog.EFAULT},
		{"prog_attach_flags cut", mprog.Shape{Size: 36}, mprog.EFAULT},
		{"link_ids", mprog.Shape{Junk: 40}, mprog.EFAULT},
		{"link_ids cut", mprog.Shape{Size: 44}, mprog.EFAULT},
		{"link_ids cut off", mprog.Shape{Size: 40}, 0},
		{"link_attach_flags", mprog.Shape{Junk: 51}, mprog.EFAULT},
		{"link_attach_flags cut", mprog.Shape{Size: 52}, mprog.EFAULT},
		{"revision", mprog.Shape{Junk: 56}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			memory := make([]uint32, 64)
			_, err := s.ProgQuery(mprog.QueryRequest{
				Shape: test.shape, TargetIfindex: loopback, AttachType: mprog.TCXIngress,
				Count: 1, ProgIDs: memory[0:1:1], LinkIDs: memory[32:33:33],
				ProgAttachFlags: memory[16:17:17], LinkAttachFlags: memory[48:49:49],
			})
			errno, _ := mprog.ErrnoOf(err)
			assert.Equal(t, test.want, errno)
			memory[0] = 0
			assert.Equal(t, make([]uint32, 64), memory)
		})
	}
}
