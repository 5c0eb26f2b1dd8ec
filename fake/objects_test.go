package fake

import (
	"testing"

	"github.com/nkconform/nkconform/mprog"
)

// closed closes the fds of named objects.
func (s *stage) closed(names ...string) {
	s.t.Helper()
	for _, name := range names {
		check(s.t, s.k.Close(s.ref(name)), 0, "")
	}
}

// alive compares which programs and links the machine has.
func (s *stage) alive(progs, links int) {
	s.t.Helper()
	if len(s.k.progs) != progs || len(s.k.links) != links {
		s.t.Errorf("%d programs and %d links, want %d and %d", len(s.k.progs), len(s.k.links), progs, links)
	}
}

// newBare is a stage without the program q.
func newBare(t testing.TB, at mprog.AttachType) *stage {
	t.Helper()
	s := newStage(t, at)
	s.closed("q")
	return s
}

// An attached program outlives its fd, and is named by its id.
func TestProgramOutlivesFD(t *testing.T) {
	for _, at := range hooks {
		s := newBare(t, at)
		s.put("a")
		s.closed("a")
		s.alive(1, 0)
		check(t, s.k.ProgAttach(s.attach("x", B|I, "id:a", "", 0)), 0, "")
		check(t, s.k.ProgDetach(mprog.DetachRequest(s.attach("", 0, "", "", 0))), 0, "")
		s.alive(1, 0)
		check(t, s.k.ProgAttach(s.attach("y", B|I, "id:a", "", 0)), mprog.ENOENT, "relative/prog-id")
	}
}

// A program that nothing holds any more is gone with its last use.
func TestProgramReplaced(t *testing.T) {
	s := newBare(t, mprog.NetkitPrimary)
	s.put("a")
	check(t, s.k.ProgAttach(s.attach("x", R, "", "a", 0)), 0, "")
	s.alive(2, 0)
	s.closed("a")
	s.alive(1, 0)
	s.closed("x")
	s.alive(1, 0)
	check(t, s.k.ProgDetach(mprog.DetachRequest(s.attach("", 0, "", "", 0))), 0, "")
	s.alive(0, 0)
}

// The last reference to a link takes its program off the hook.
func TestLinkClosed(t *testing.T) {
	for _, at := range hooks {
		s := newBare(t, at)
		s.put("a b@l c")
		s.closed("b")
		s.alive(3, 1)
		s.closed("l")
		s.alive(2, 0)
		if got, rev := s.list(); got != "a c" || rev != 5 {
			t.Errorf("%s: [%s] at revision %d", at, got, rev)
		}
		check(t, s.k.ProgAttach(s.attach("x", B|I|L, "id:l", "", 0)), mprog.ENOENT, "relative/link-id")
	}
}

// A link holds its present program only, and a refused one holds nothing.
func TestLinkHoldsProgram(t *testing.T) {
	s := newBare(t, mprog.NetkitPeer)
	s.put("a@l")
	_, err := s.link("", "a", 0, "")
	check(t, err, mprog.EEXIST, "attach/duplicate")
	s.alive(1, 1)
	check(t, s.k.LinkUpdate(mprog.LinkUpdateRequest{LinkFD: s.ref("l"), NewProgFD: s.ref("x")}), 0, "")
	s.closed("a", "x")
	s.alive(1, 1)
	check(t, s.k.LinkDetach(mprog.LinkDetachRequest{LinkFD: s.ref("l")}), 0, "")
	s.alive(1, 1)
	s.closed("l")
	s.alive(0, 0)
}

// Deleting either end of a pair empties the hooks of both: links become defunct,
// programs are let go.
func TestDeviceDeleted(t *testing.T) {
	for _, at := range hooks {
		for _, end := range []string{"nk0", "nk1"} {
			s := newBare(t, at)
			s.put("a b@l")
			s.closed("a", "b")
			check(t, s.k.DeleteDevice(map[string]uint32{"nk0": s.hook.Ifindex, "nk1": s.nk1}[end]), 0, "")
			s.alive(1, 1)
			_, err := s.k.ProgQuery(mprog.QueryRequest{TargetIfindex: s.hook.Ifindex, AttachType: at})
			check(t, err, mprog.ENODEV, "device/none")
			info, err := s.k.ObjectInfo(s.ref("l"))
			check(t, err, 0, "")
			if info.ID != s.ids["l"] || info.ProgID != s.ids["b"] || info.AttachType != at || info.Ifindex != 0 {
				t.Errorf("%s: %+v", at, info)
			}
			err = s.k.LinkUpdate(mprog.LinkUpdateRequest{LinkFD: s.ref("l"), NewProgFD: s.ref("x")})
			check(t, err, mprog.ENOLINK, "link-update/defunct")
			check(t, s.k.LinkDetach(mprog.LinkDetachRequest{LinkFD: s.ref("l")}), 0, "")
			s.closed("l", "x")
			s.alive(0, 0)
		}
	}
}

func TestObjectInfo(t *testing.T) {
	s := newStage(t, mprog.NetkitPeer)
	got, err := s.k.ObjectInfo(s.ref("q"))
	check(t, err, 0, "")
	if want := (mprog.ObjectInfo{Kind: mprog.ProgObject, ID: 1, ProgType: mprog.SocketFilter, ProgName: "q"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	for _, c := range []struct {
		at      mprog.AttachType
		typ     mprog.LinkType
		ifindex uint32
	}{
		{mprog.NetkitPrimary, mprog.NetkitLink, s.hook.Ifindex},
		{mprog.NetkitPeer, mprog.NetkitLink, s.nk1},
		{mprog.TCXIngress, mprog.TCXLink, s.hook.Ifindex},
		{mprog.TCXEgress, mprog.TCXLink, s.hook.Ifindex},
	} {
		s.hook.Type = c.at
		s.put("a@l")
		got, err := s.k.ObjectInfo(s.ref("l"))
		check(t, err, 0, "")
		if want := (mprog.ObjectInfo{
			Kind: mprog.LinkObject, ID: s.ids["l"], LinkType: c.typ, ProgID: s.ids["a"], Ifindex: c.ifindex, AttachType: c.at,
		}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	_, err = s.k.ObjectInfo(99)
	check(t, err, mprog.EBADFD, "info/bad-fd")
	_, err = s.k.ObjectInfo(0)
	check(t, err, mprog.EINVAL, "info/not-an-object")
}

// A closed fd is never another object's.
func TestClose(t *testing.T) {
	s := newStage(t, mprog.NetkitPrimary)
	s.put("a")
	s.closed("a")
	s.put("b@l")
	check(t, s.k.Close(s.fds["a"]), mprog.EBADF, "close/bad-fd")
	check(t, s.k.ProgDetach(mprog.DetachRequest(s.attach("a", 0, "", "", 0))), mprog.EBADF, "prog/bad-fd")
	check(t, s.k.Close(1<<32-1), mprog.EBADF, "close/bad-fd")
	check(t, s.k.Close(0), 0, "")
	check(t, s.k.Close(0), mprog.EBADF, "close/bad-fd")
}
