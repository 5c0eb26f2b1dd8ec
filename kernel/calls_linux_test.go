package kernel

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

// stage is the loopback device's ingress hook, with programs at hand.
type stage struct {
	*Kernel
	t *testing.T
}

func newStage(t *testing.T) *stage {
	expediteRCU(t)
	return &stage{newKernel(t, mprog.FeatureTCX), t}
}

func (s *stage) prog(name string) uint32 { return loadProg(s.t, s.Kernel, name) }

func (s *stage) attach(prog uint32, flags mprog.Flags, relative uint32, rev uint64) error {
	return s.ProgAttach(mprog.AttachRequest{
		TargetIfindex: loopback, AttachType: mprog.TCXIngress, AttachFD: prog,
		Flags: flags, Relative: relative, ExpectedRevision: rev,
	})
}

func (s *stage) detach(prog uint32, flags mprog.Flags, relative uint32) error {
	return s.ProgDetach(mprog.DetachRequest{
		TargetIfindex: loopback, AttachType: mprog.TCXIngress, AttachFD: prog,
		Flags: flags, Relative: relative,
	})
}

func (s *stage) link(prog uint32, flags mprog.Flags) (uint32, error) {
	return s.LinkCreate(mprog.LinkCreateRequest{
		TargetIfindex: loopback, AttachType: mprog.TCXIngress, ProgFD: prog, Flags: flags,
	})
}

// expect checks the hook's revision and programs.
func (s *stage) expect(revision uint64, progs ...uint32) {
	s.t.Helper()
	ids := make([]uint32, mprog.MaxPrograms)
	got, err := s.ProgQuery(mprog.QueryRequest{
		TargetIfindex: loopback, AttachType: mprog.TCXIngress,
		Count: uint32(len(ids)), ProgIDs: ids,
	})
	require.NoError(s.t, err)
	want := []uint32{}
	for _, fd := range progs {
		want = append(want, progInfo(s.t, s.Process, fd).ID)
	}
	assert.Equal(s.t, want, ids[:got.Count])
	assert.Equal(s.t, revision, got.Revision, "revision")
}

func TestAttachAndDetach(t *testing.T) {
	s := newStage(t)
	a, b, c := s.prog("a"), s.prog("b"), s.prog("c")
	require.NoError(t, s.attach(a, 0, 0, 0))
	s.expect(2, a)
	require.NoError(t, s.attach(b, mprog.Before, a, 2))
	require.NoError(t, s.attach(c, mprog.After|mprog.ID, progInfo(t, s.Process, b).ID, 0))
	s.expect(4, b, c, a)
	assert.ErrorIs(t, s.attach(a, 0, 0, 0), mprog.EEXIST)
	assert.ErrorIs(t, s.attach(a, 0, 0, 3), mprog.ESTALE)
	require.NoError(t, s.detach(0, mprog.Before, b), "the first itself is the one in front of it")
	s.expect(5, c, a)
	require.NoError(t, s.detach(0, 0, 0))
	require.NoError(t, s.detach(c, 0, 0))
	assert.ErrorIs(t, s.detach(c, 0, 0), mprog.ENOENT)
	require.NoError(t, s.attach(a, 0, 0, 1), "tcx forgets the revision of an empty hook")
	s.expect(2, a)
}

func TestFullHook(t *testing.T) {
	s := newStage(t)
	progs := make([]uint32, mprog.MaxPrograms)
	for i := range progs {
		progs[i] = s.prog("p")
		require.NoError(t, s.attach(progs[i], 0, 0, 0))
	}
	s.expect(64, progs...)
	assert.ErrorIs(t, s.attach(s.prog("q"), 0, 0, 0), mprog.ERANGE)
	assert.ErrorIs(t, s.detach(0, 0, 0), mprog.ERANGE)
	require.NoError(t, s.detach(progs[62], 0, 0))
	require.NoError(t, s.detach(0, mprog.Before, 0))
	s.expect(66, progs[1:62]...)
}

func TestLinks(t *testing.T) {
	s := newStage(t)
	a, b := s.prog("a"), s.prog("b")
	link, err := s.link(a, 0)
	require.NoError(t, err)
	info, err := s.ObjectInfo(link)
	require.NoError(t, err)
	assert.Equal(t, mprog.ObjectInfo{
		Kind: mprog.LinkObject, ID: info.ID, LinkType: mprog.TCXLink,
		ProgID: progInfo(t, s.Process, a).ID, Ifindex: loopback, AttachType: mprog.TCXIngress,
	}, info)
	assert.ErrorIs(t, s.detach(a, 0, 0), mprog.EBUSY)
	update := func(prog, old uint32, flags mprog.Flags) error {
		return s.LinkUpdate(mprog.LinkUpdateRequest{LinkFD: link, NewProgFD: prog, OldProgFD: old, Flags: flags})
	}
	assert.ErrorIs(t, update(b, b, mprog.Replace), mprog.EPERM)
	assert.ErrorIs(t, update(b, a, 0), mprog.EINVAL)
	require.NoError(t, update(b, a, mprog.Replace))
	s.expect(3, b)

	for range 2 {
		require.NoError(t, s.LinkDetach(mprog.LinkDetachRequest{LinkFD: link}))
	}
	assert.ErrorIs(t, update(a, 0, 0), mprog.ENOLINK)
	info, err = s.ObjectInfo(link)
	require.NoError(t, err)
	assert.Zero(t, info.Ifindex, "defunct")
}

// After close(2) has returned, the link is off its hook.
func TestCloseReleasesLink(t *testing.T) {
	s := newStage(t)
	a, b := s.prog("a"), s.prog("b")
	require.NoError(t, s.attach(b, 0, 0, 0))
	for i := range uint64(50) {
		link, err := s.link(a, mprog.Before)
		require.NoError(t, err)
		s.expect(3+2*i, a, b)
		require.NoError(t, s.Close(link))
		s.expect(4+2*i, b)
	}
}

func TestErrors(t *testing.T) {
	s := newStage(t)
	a := s.prog("a")
	xdp, err := s.LoadProg(mprog.ProgSpec{Name: "x", Type: mprog.XDP})
	require.NoError(t, err)
	link := func(r mprog.LinkCreateRequest) error {
		_, err := s.LinkCreate(r)
		return err
	}
	query := func(r mprog.QueryRequest) error {
		_, err := s.ProgQuery(r)
		return err
	}
	for _, test := range []struct {
		name string
		err  error
		op   mprog.Op
		want mprog.Errno
	}{
		{"unknown flag", s.attach(a, 1<<20, 0, 0), mprog.OpProgAttach, mprog.EINVAL},
		{"no such fd", s.attach(9999, 0, 0, 0), mprog.OpProgAttach, mprog.EBADF},
		{"fd 0 is no program", s.attach(0, 0, 0, 0), mprog.OpProgAttach, mprog.EINVAL},
		{"type of program", s.attach(xdp, 0, 0, 0), mprog.OpProgAttach, mprog.EINVAL},
		{"link without fd", s.attach(a, mprog.Link, 0, 0), mprog.OpProgAttach, mprog.EINVAL},
		{"no device", s.ProgAttach(mprog.AttachRequest{
			TargetIfindex: 9999, AttachFD: a, AttachType: mprog.TCXIngress,
		}), mprog.OpProgAttach, mprog.ENODEV},
		{"junk in the tail", s.ProgAttach(mprog.AttachRequest{
			Shape:         mprog.Shape{Size: 64, Junk: 40},
			TargetIfindex: loopback, AttachFD: a, AttachType: mprog.TCXIngress,
		}), mprog.OpProgAttach, mprog.EINVAL},
		{"junk behind the kernel's attr", s.ProgAttach(mprog.AttachRequest{
			Shape:         mprog.Shape{Size: 4096, Junk: 4095},
			TargetIfindex: loopback, AttachFD: a, AttachType: mprog.TCXIngress,
		}), mprog.OpProgAttach, mprog.E2BIG},
		{"more than a page", s.ProgAttach(mprog.AttachRequest{
			Shape: mprog.Shape{Size: 1 << 20},
		}), mprog.OpProgAttach, mprog.E2BIG},
		{"empty hook", s.detach(a, 0, 0), mprog.OpProgDetach, mprog.ENOENT},
		{"replace with a link", link(mprog.LinkCreateRequest{
			TargetIfindex: loopback, ProgFD: a, AttachType: mprog.TCXIngress, Flags: mprog.Replace,
		}), mprog.OpLinkCreate, mprog.ENOENT},
		{"not a link", s.LinkUpdate(mprog.LinkUpdateRequest{LinkFD: a, NewProgFD: a}), mprog.OpLinkUpdate, mprog.EINVAL},
		{"detach no link", s.LinkDetach(mprog.LinkDetachRequest{LinkFD: a}), mprog.OpLinkDetach, mprog.EINVAL},
		{"query flags", query(mprog.QueryRequest{
			TargetIfindex: loopback, AttachType: mprog.TCXIngress, QueryFlags: 8,
		}), mprog.OpProgQuery, mprog.EINVAL},
		{"close", s.Close(9999), mprog.OpClose, mprog.EBADF},
		{"close a huge number", s.Close(1<<32 - 1), mprog.OpClose, mprog.EBADF},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, &mprog.Error{Op: test.op, Errno: test.want}, test.err)
		})
	}
	s.expect(1)
}

func TestShortAttr(t *testing.T) {
	s := newStage(t)
	a := s.prog("a")
	require.NoError(t, s.ProgAttach(mprog.AttachRequest{
		Shape:         mprog.Shape{Size: 12},
		TargetIfindex: loopback, AttachFD: a, AttachType: mprog.TCXIngress, ExpectedRevision: 99,
	}))
	s.expect(2, a)
}

func TestQuery(t *testing.T) {
	s := newStage(t)
	a, b := s.prog("a"), s.prog("b")
	require.NoError(t, s.attach(a, 0, 0, 0))
	link, err := s.link(b, 0)
	require.NoError(t, err)
	idA, idB := progInfo(t, s.Process, a).ID, progInfo(t, s.Process, b).ID
	linkInfo, err := s.ObjectInfo(link)
	require.NoError(t, err)

	for _, test := range []struct {
		name         string
		size, count  uint32
		progs, links []uint32 // what to ask with
		wantProgs    []uint32
		wantLinks    []uint32
		errno        mprog.Errno
	}{
		{"only the count", 0, 0, nil, nil, nil, nil, 0},
		{"no arrays", 0, 5, nil, nil, nil, nil, 0},
		{"empty array", 0, 0, []uint32{}, nil, []uint32{}, nil, 0},
		{
			"everything", 0, 2, make([]uint32, 3), make([]uint32, 2),
			[]uint32{idA, idB, 0}, []uint32{0, linkInfo.ID}, 0,
		},
		{"too short", 0, 1, make([]uint32, 2), nil, []uint32{idA, 0}, nil, mprog.ENOSPC},
		{
			"attr without link_ids", 40, 2, make([]uint32, 2), make([]uint32, 2),
			[]uint32{idA, idB}, []uint32{0, 0}, 0,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := s.ProgQuery(mprog.QueryRequest{
				Shape:         mprog.Shape{Size: test.size},
				TargetIfindex: loopback, AttachType: mprog.TCXIngress,
				Count: test.count, ProgIDs: test.progs, LinkIDs: test.links,
			})
			errno, ok := mprog.ErrnoOf(err)
			assert.True(t, ok)
			assert.Equal(t, test.errno, errno)
			assert.Equal(t, mprog.QueryResult{Count: 2, Revision: 3}, got)
			assert.Equal(t, test.wantProgs, test.progs)
			assert.Equal(t, test.wantLinks, test.links)
		})
	}
}

// The kernel writes 0 as the attach flags of each entry, and up to an address that
// it cannot write to.
func TestQueryAttachFlags(t *testing.T) {
	s := newStage(t)
	a, b := s.prog("a"), s.prog("b")
	require.NoError(t, s.attach(a, 0, 0, 0))
	require.NoError(t, s.attach(b, 0, 0, 0))
	for _, test := range []struct {
		name                 string
		junk                 uint32
		errno                mprog.Errno
		wantProgs, wantLinks []uint32
	}{
		{"both", 0, 0, []uint32{0, 0, 7}, []uint32{0, 0, 7}},
		{"wrong prog_attach_flags", 39, mprog.EFAULT, []uint32{7, 7, 7}, []uint32{7, 7, 7}},
		{"wrong link_ids", 47, mprog.EFAULT, []uint32{0, 7, 7}, []uint32{7, 7, 7}},
	} {
		t.Run(test.name, func(t *testing.T) {
			progs, links := []uint32{7, 7, 7}, []uint32{7, 7, 7}
			got, err := s.ProgQuery(mprog.QueryRequest{
				Shape: mprog.Shape{Junk: test.junk}, TargetIfindex: loopback, AttachType: mprog.TCXIngress,
				Count: 3, ProgIDs: make([]uint32, 3), ProgAttachFlags: progs, LinkAttachFlags: links,
			})
			errno, ok := mprog.ErrnoOf(err)
			assert.True(t, ok)
			assert.Equal(t, test.errno, errno)
			assert.Equal(t, mprog.QueryResult{Count: 2, Revision: 3}, got)
			assert.Equal(t, test.wantProgs, progs)
			assert.Equal(t, test.wantLinks, links)
		})
	}
}

// A count that would let the kernel write behind a slice stays away from it.
func TestQueryCountTooLarge(t *testing.T) {
	s := newStage(t)
	for _, r := range []mprog.QueryRequest{
		{Count: 3, ProgIDs: make([]uint32, 2)},
		{Count: 1, LinkIDs: []uint32{}},
		{Count: 2, ProgAttachFlags: make([]uint32, 1)},
		{Count: 64, LinkAttachFlags: make([]uint32, 62)},
	} {
		got, err := s.ProgQuery(r)
		assert.ErrorIs(t, err, mprog.EFAULT)
		assert.ErrorContains(t, err, "room for")
		assert.Zero(t, got)
	}
}
