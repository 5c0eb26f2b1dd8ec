package fake

import (
	"testing"

	"github.com/nkconform/nkconform/mprog"
)

// linkCreateCases are what differs when attaching by a link. The hook has list;
// then x is attached by link m.
var linkCreateCases = []struct {
	name     string
	list     string
	prog     string // x, if empty
	flags    mprog.Flags
	relative string
	errno    mprog.Errno
	rule     mprog.Rule
	want     string
	idUsed   bool // by a refused create
}{
	{name: "first", want: "x@m"},
	{name: "appended", list: "a b@l", want: "a b@l x@m"},
	{name: "before link", list: "a b@l", flags: B | L, relative: "l", want: "a x@m b@l"},
	{name: "unknown bit with a side", list: "a", flags: B | 1<<7, want: "x@m a"},
	{name: "unknown bits with a side", list: "a b", flags: A | 1<<31 | 1, relative: "a", want: "a x@m b"},

	{name: "unknown bit alone", list: "a", flags: 1 << 7, errno: mprog.EINVAL, rule: "position/none", idUsed: true},
	{name: "replace", list: "a", flags: R, errno: mprog.ENOENT, rule: "replace/not-attached", idUsed: true},
	{name: "replace and relative", list: "a", flags: R, relative: "99", errno: mprog.EBADF, rule: "relative/bad-fd", idUsed: true},
	{name: "there already", list: "x", errno: mprog.EEXIST, rule: "attach/duplicate", idUsed: true},
	{name: "there already by a link", list: "x@l", errno: mprog.EEXIST, rule: "attach/duplicate", idUsed: true},
	{name: "full", list: "*63", errno: mprog.ERANGE, rule: "attach/full", idUsed: true},
	{name: "full and replace", list: "*63", flags: R, errno: mprog.ENOENT, rule: "replace/not-attached", idUsed: true},
	// Stages hand out ids from 1, so that the link being created has 1.
	{name: "relative is the link itself", list: "a", flags: B | L | I, relative: "1", errno: mprog.EAGAIN, rule: "link/unsettled", idUsed: true},
	{name: "relative is the next link", list: "a", flags: B | L | I, relative: "2", errno: mprog.ENOENT, rule: "relative/link-id", idUsed: true},
	{name: "program fd closed", prog: "99", errno: mprog.EBADF, rule: "prog/bad-fd"},
	{name: "program fd 0", prog: "0", errno: mprog.EINVAL, rule: "prog/not-a-program"},
	{name: "program of another type", prog: "q", errno: mprog.EINVAL, rule: "attach-type/mismatch"},
}

func TestLinkCreate(t *testing.T) {
	for _, c := range linkCreateCases {
		t.Run(c.name, func(t *testing.T) {
			for _, at := range hooks {
				s := newStage(t, at)
				s.put(c.list)
				if c.prog == "" {
					c.prog = "x"
				}
				list, revision := s.list()
				last := s.k.lastLinkID
				_, err := s.link("m", c.prog, c.flags, c.relative)
				s.check(err, c.errno, c.rule)
				if c.rule == "" {
					revision++
				} else {
					c.want = list
				}
				if got, rev := s.list(); got != c.want || rev != revision {
					t.Errorf("%s: got [%s] at revision %d, want [%s] at %d", at, got, rev, c.want, revision)
				}
				if used := s.k.lastLinkID != last; used != (c.idUsed || c.rule == "") {
					t.Errorf("%s: a link id was used: %v", at, used)
				}
			}
		})
	}
}

func TestLinkCreateDevice(t *testing.T) {
	s := newStage(t, mprog.NetkitPrimary)
	create := func(ifindex uint32, at mprog.AttachType, prog string) error {
		_, err := s.k.LinkCreate(mprog.LinkCreateRequest{TargetIfindex: ifindex, AttachType: at, ProgFD: s.ref(prog)})
		return err
	}
	check(t, create(99, mprog.NetkitPrimary, "a"), mprog.ENODEV, "device/none")
	check(t, create(s.veth, mprog.NetkitPrimary, "a"), mprog.ENXIO, "device/not-netkit")
	check(t, create(s.nk1, mprog.NetkitPeer, "a"), mprog.EACCES, "device/peer-ifindex")
	check(t, create(99, mprog.TCXEgress, "a"), mprog.ENODEV, "device/none")
	check(t, create(99, 999, "a"), mprog.EINVAL, "attach-type/mismatch")
	check(t, create(99, 0, "a"), mprog.EINVAL, "attach-type/mismatch")
	check(t, create(99, 999, "98"), mprog.EBADF, "prog/bad-fd")
	if s.k.lastLinkID != 0 {
		t.Errorf("refused in front of the hook, yet %d link ids are used", s.k.lastLinkID)
	}
	s.prog("x", mprog.XDP)
	check(t, create(s.veth, mprog.TCXIngress, "x"), mprog.EINVAL, "attach-type/mismatch")
	check(t, create(s.veth, 37, "a"), mprog.EINVAL, "attach-type/mismatch")
	check(t, create(s.veth, 37, "x"), 0, "") // its driver has XDP
	check(t, create(s.veth, 37, "x"), mprog.EBUSY, "xdp/busy")

	r := mprog.LinkCreateRequest{TargetIfindex: s.hook.Ifindex, AttachType: s.hook.Type, ProgFD: s.ref("a"), ExpectedRevision: 2}
	_, err := s.k.LinkCreate(r)
	check(t, err, mprog.ESTALE, "revision/stale")
}

// After three failures the next link's id is four higher.
func TestLinkIDs(t *testing.T) {
	s := newStage(t, mprog.NetkitPrimary)
	s.put("a@l")
	for range 3 {
		_, err := s.link("", "a", 0, "")
		check(t, err, mprog.EEXIST, "attach/duplicate")
	}
	s.put("b@m")
	if s.ids["m"] != s.ids["l"]+4 {
		t.Errorf("ids %d and %d", s.ids["l"], s.ids["m"])
	}
}

// The hook has a@l b c@m, at revision 4; then a link is updated.
var linkUpdateCases = []struct {
	name     string
	link     string
	prog     string
	flags    mprog.Flags
	old      string
	errno    mprog.Errno
	rule     mprog.Rule
	want     string
	revision uint64
}{
	{name: "another program", link: "l", prog: "x", want: "x@l b c@m", revision: 5},
	{name: "the last", link: "m", prog: "x", want: "a@l b x@m", revision: 5},
	{name: "old right", link: "l", prog: "x", flags: R, old: "a", want: "x@l b c@m", revision: 5},
	{name: "the same program", link: "l", prog: "a", want: "a@l b c@m", revision: 4},
	{name: "the same program, old right", link: "l", prog: "a", flags: R, old: "a", want: "a@l b c@m", revision: 4},

	{name: "unknown flag", link: "99", prog: "x", flags: B, errno: mprog.EINVAL, rule: "link-update/flags"},
	{name: "link fd closed", link: "99", prog: "98", errno: mprog.EBADF, rule: "link/bad-fd"},
	{name: "link fd of a program", link: "a", prog: "98", errno: mprog.EINVAL, rule: "link/not-a-link"},
	{name: "link fd 0", link: "0", prog: "x", errno: mprog.EINVAL, rule: "link/not-a-link"},
	{name: "program fd closed", link: "l", prog: "99", flags: R, old: "98", errno: mprog.EBADF, rule: "prog/bad-fd"},
	{name: "program fd of a link", link: "l", prog: "m", errno: mprog.EINVAL, rule: "prog/not-a-program"},
	{name: "old fd closed", link: "l", prog: "x", flags: R, old: "99", errno: mprog.EBADF, rule: "link-update/old-bad-fd"},
	{name: "old fd of a link", link: "l", prog: "x", flags: R, old: "m", errno: mprog.EINVAL, rule: "link-update/old-not-a-program"},
	{name: "old fd 0", link: "l", prog: "x", flags: R, errno: mprog.EINVAL, rule: "link-update/old-not-a-program"},
	{name: "old without replace", link: "l", prog: "x", old: "a", errno: mprog.EINVAL, rule: "link-update/old-without-replace"},
	{name: "old wrong", link: "l", prog: "x", flags: R, old: "c", errno: mprog.EPERM, rule: "link-update/old-is-not-current"},
	{name: "old wrong before the same program", link: "l", prog: "a", flags: R, old: "c", errno: mprog.EPERM, rule: "link-update/old-is-not-current"},
	{name: "program there already", link: "l", prog: "b", errno: mprog.EEXIST, rule: "attach/duplicate"},
	{name: "program of another type", link: "l", prog: "q", errno: mprog.EINVAL, rule: "relative/type"},
}

func TestLinkUpdate(t *testing.T) {
	for _, c := range linkUpdateCases {
		t.Run(c.name, func(t *testing.T) {
			for _, at := range hooks {
				s := newStage(t, at)
				s.put("a@l b c@m")
				err := s.k.LinkUpdate(mprog.LinkUpdateRequest{
					LinkFD: s.ref(c.link), NewProgFD: s.ref(c.prog), Flags: c.flags, OldProgFD: s.ref(c.old),
				})
				s.check(err, c.errno, c.rule)
				if c.rule != "" {
					c.want, c.revision = "a@l b c@m", 4
				}
				if got, rev := s.list(); got != c.want || rev != c.revision {
					t.Errorf("%s: got [%s] at revision %d, want [%s] at %d", at, got, rev, c.want, c.revision)
				}
			}
		})
	}
}

// A link on a full hook is updated all the same.
func TestLinkUpdateFull(t *testing.T) {
	s := newStage(t, mprog.NetkitPeer)
	s.put("*62 a@l")
	err := s.k.LinkUpdate(mprog.LinkUpdateRequest{LinkFD: s.ref("l"), NewProgFD: s.ref("x")})
	check(t, err, 0, "")
}

func TestLinkDetach(t *testing.T) {
	for _, at := range hooks {
		s := newStage(t, at)
		s.put("a b@l c")
		before, err := s.k.ObjectInfo(s.ref("l"))
		check(t, err, 0, "")
		for range 2 { // the second time nothing happens
			check(t, s.k.LinkDetach(mprog.LinkDetachRequest{LinkFD: s.ref("l")}), 0, "")
			if got, rev := s.list(); got != "a c" || rev != 5 {
				t.Errorf("%s: [%s] at revision %d", at, got, rev)
			}
		}
		after, err := s.k.ObjectInfo(s.ref("l"))
		check(t, err, 0, "")
		before.Ifindex = 0
		if after != before {
			t.Errorf("%s: defunct: %+v, before %+v", at, after, before)
		}
		err = s.k.LinkUpdate(mprog.LinkUpdateRequest{LinkFD: s.ref("l"), NewProgFD: s.ref("x")})
		check(t, err, mprog.ENOLINK, "link-update/defunct")
		err = s.k.LinkUpdate(mprog.LinkUpdateRequest{LinkFD: s.ref("l"), NewProgFD: s.ref("x"), Flags: R, OldProgFD: s.ref("x")})
		check(t, err, mprog.ENOLINK, "link-update/defunct")
		check(t, s.k.Close(s.ref("l")), 0, "")
		if got, rev := s.list(); got != "a c" || rev != 5 {
			t.Errorf("%s: closed: [%s] at revision %d", at, got, rev)
		}
	}
	s := newStage(t, mprog.NetkitPrimary)
	check(t, s.k.LinkDetach(mprog.LinkDetachRequest{LinkFD: 99}), mprog.EBADF, "link/bad-fd")
	check(t, s.k.LinkDetach(mprog.LinkDetachRequest{LinkFD: s.ref("q")}), mprog.EINVAL, "link/not-a-link")
}
