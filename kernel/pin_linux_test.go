package kernel

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

const pinned = mprog.BPFFS + "/l"

func (s *stage) pin(path string, fd uint32) {
	s.t.Helper()
	require.NoError(s.t, s.ObjPin(mprog.PinRequest{Path: path, FD: fd}))
}

func TestPinnedLink(t *testing.T) {
	needBPFFS(t)
	s := newStage(t)
	a := s.prog("a")
	link, err := s.link(a, 0)
	require.NoError(t, err)
	s.pin(pinned, link)
	require.NoError(t, s.Close(link))
	s.expect(2, a)

	again, err := s.ObjGet(mprog.GetRequest{Path: pinned})
	require.NoError(t, err)
	assert.NotEqual(t, link, again)
	other := pinned + "2"
	s.pin(other, again)
	require.NoError(t, s.Unlink(pinned))
	s.expect(2, a)
	require.NoError(t, s.Close(again))
	s.expect(2, a)
	require.NoError(t, s.Unlink(other))
	s.expect(1)
	assert.ErrorIs(t, s.Unlink(other), mprog.ENOENT)
}

// An unlinked pin holds nothing: close(2) detaches at once.
func TestCloseAfterUnlink(t *testing.T) {
	needBPFFS(t)
	s := newStage(t)
	a := s.prog("a")
	link, err := s.link(a, 0)
	require.NoError(t, err)
	s.pin(pinned, link)
	require.NoError(t, s.Unlink(pinned))
	s.expect(2, a)
	require.NoError(t, s.Close(link))
	s.expect(1)
}

func TestPinnedProgram(t *testing.T) {
	needBPFFS(t)
	s := newStage(t)
	a := s.prog("a")
	id := progInfo(t, s.Process, a).ID
	s.pin(pinned, a)
	require.NoError(t, s.Close(a))
	fd, err := s.ProgFDByID(mprog.IDRequest{ID: id})
	require.NoError(t, err)
	require.NoError(t, s.Close(fd))
	require.NoError(t, s.Unlink(pinned))
	_, err = s.ProgFDByID(mprog.IDRequest{ID: id})
	assert.ErrorIs(t, err, mprog.ENOENT)
}

func TestPinErrors(t *testing.T) {
	needBPFFS(t)
	s := newStage(t)
	a := s.prog("a")
	s.pin(pinned, a)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, test := range []struct {
		path string
		want mprog.Errno
	}{
		{pinned, mprog.EEXIST},
		{"", mprog.ENOENT},
		{mprog.BPFFS + "/no/l", mprog.ENOENT},
		{mprog.BPFFS + "/a.b", mprog.EPERM},
		{filepath.Join(filepath.Dir(file), "new"), mprog.EPERM},
		{file, mprog.EEXIST},
	} {
		err := s.ObjPin(mprog.PinRequest{Path: test.path, FD: a})
		assert.ErrorIs(t, err, test.want, test.path)
	}
	_, err := s.ObjGet(mprog.GetRequest{Path: file})
	assert.ErrorIs(t, err, mprog.EACCES)
	assert.ErrorIs(t, s.Unlink(file), mprog.ErrUnsupported, "it belongs to somebody else")
	assert.FileExists(t, file)
	assert.ErrorIs(t, s.Unlink(filepath.Join(file, "x")), mprog.ENOTDIR)
}

// All processes of an environment see its bpf file system, nobody else does.
func TestOwnBPFFS(t *testing.T) {
	needBPFFS(t)
	s, other := newStage(t), newKernel(t)
	before, err := os.ReadDir(mprog.BPFFS)
	require.NoError(t, err)
	q := s.process(mprog.ProcessSpec{Without: []mprog.Capability{mprog.CapSysAdmin, mprog.CapBPF}})
	link, err := s.link(s.prog("a"), 0)
	require.NoError(t, err)
	s.pin(pinned, link)
	require.NoError(t, s.Close(link))

	_, err = other.ObjGet(mprog.GetRequest{Path: pinned})
	assert.ErrorIs(t, err, mprog.ENOENT)
	after, err := os.ReadDir(mprog.BPFFS)
	require.NoError(t, err)
	assert.Equal(t, before, after)

	fd, err := q.ObjGet(mprog.GetRequest{Path: pinned})
	require.NoError(t, err)
	require.NoError(t, q.Close(fd))
	require.NoError(t, q.Unlink(pinned))
	s.expect(1)
}

func BenchmarkUnlink(b *testing.B) {
	expediteRCU(b)
	k := newKernel(b)
	a := loadProg(b, k, "a")
	for b.Loop() {
		require.NoError(b, k.ObjPin(mprog.PinRequest{Path: pinned, FD: a}))
		require.NoError(b, k.Unlink(pinned))
	}
}
