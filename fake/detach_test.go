package fake

import (
	"errors"
	"testing"

	"github.com/nkconform/nkconform/mprog"
)

// detachCases are the rules of bpf_mprog_detach. The hook has list, at revision
// 1 + its length.
var detachCases = []struct {
	name     string
	list     string
	prog     string // none, if empty
	flags    mprog.Flags
	relative string
	revision uint64
	errno    mprog.Errno
	rule     mprog.Rule
	want     string
	any      bool // do not compare the list
}{
	// Success.
	{name: "first", list: "a b c", prog: "a", want: "b c"},
	{name: "middle", list: "a b c", prog: "b", want: "a c"},
	{name: "last", list: "a b c", prog: "c", want: "a b"},
	{name: "nothing named is the last", list: "a b c", want: "a b"},
	{name: "after nothing is the last", list: "a b c", flags: A, want: "a b"},
	{name: "before nothing is the first", list: "a b c", flags: B, want: "b c"},
	{name: "before relative", list: "a b c", flags: B, relative: "c", want: "a c"},
	{name: "before the first is the first itself", list: "a b c", flags: B, relative: "a", want: "b c"},
	{name: "after relative", list: "a b c", flags: A, relative: "a", want: "a c"},
	{name: "after the last is the last itself", list: "a b c", flags: A, relative: "c", want: "a b"},
	{name: "before link", list: "a b@l", flags: B | L, relative: "l", want: "b@l"},
	{name: "after link id", list: "a@l b", flags: A | L | I, relative: "id:l", want: "a@l"},
	{name: "before program id", list: "a b", flags: B | I, relative: "id:b", want: "b"},
	{name: "this program, in front of that", list: "a b c", prog: "b", flags: B, relative: "c", want: "a c"},
	{name: "this program, behind that", list: "a b c", prog: "b", flags: A, relative: "a", want: "a c"},
	{name: "a relative without a side is not looked for", list: "a b", prog: "a", relative: "c", want: "b"},
	{name: "id without a side is not looked for", list: "a b", prog: "a", flags: I, relative: "id:c", want: "b"},
	{name: "revision right", list: "a b", prog: "a", revision: 3, want: "b"},
	{name: "named on a full hook", list: "*62 a", prog: "a", any: true},
	{name: "before nothing on a full hook", list: "*63", flags: B, any: true},
	{name: "before the last on a full hook", list: "*62 a", flags: B, relative: "a", any: true},
	{name: "after the last but one on a full hook", list: "*61 a b", flags: A, relative: "a", any: true},
	{name: "the last of 62", list: "*62", any: true},

	// Refusals.
	{name: "empty hook", errno: mprog.ENOENT, rule: "detach/empty"},
	{name: "empty before replace", flags: R, errno: mprog.ENOENT, rule: "detach/empty"},
	{name: "empty before revision", revision: 9, errno: mprog.ENOENT, rule: "detach/empty"},
	{name: "empty before relative", flags: B, relative: "99", errno: mprog.ENOENT, rule: "detach/empty"},
	{name: "replace", list: "a", prog: "a", flags: R, errno: mprog.EINVAL, rule: "detach/replace"},
	{name: "replace before revision", list: "a", flags: R, revision: 9, errno: mprog.EINVAL, rule: "detach/replace"},
	{name: "revision stale", list: "a", prog: "a", revision: 1, errno: mprog.ESTALE, rule: "revision/stale"},
	{name: "revision before relative", list: "a", flags: B, relative: "99", revision: 9, errno: mprog.ESTALE, rule: "revision/stale"},
	{name: "relative fd closed", list: "a", flags: B, relative: "99", errno: mprog.EBADF, rule: "relative/bad-fd"},
	{name: "relative link fd 0", list: "a", flags: L, errno: mprog.EINVAL, rule: "relative/link-zero"},
	{name: "relative before program", list: "a", prog: "b", flags: B, relative: "99", errno: mprog.EBADF, rule: "relative/bad-fd"},
	{name: "relative of another type", list: "a", prog: "a", flags: B, relative: "q", errno: mprog.EINVAL, rule: "relative/type"},
	{name: "relative of another type, no program", list: "a", flags: B, relative: "q", errno: mprog.ENOENT, rule: "relative/not-attached"},
	{name: "not there", list: "a", prog: "b", errno: mprog.ENOENT, rule: "detach/not-attached"},
	{name: "owned", list: "a@l", prog: "a", errno: mprog.EBUSY, rule: "detach/owned-by-link"},
	{name: "last owned", list: "a b@l", errno: mprog.EBUSY, rule: "detach/owned-by-link"},
	{name: "first owned", list: "a@l b", flags: B, errno: mprog.EBUSY, rule: "detach/owned-by-link"},
	{name: "owned before relative", list: "a@l b", flags: B, relative: "b", errno: mprog.EBUSY, rule: "detach/owned-by-link"},
	{name: "relative not there", list: "a", flags: B, relative: "b", errno: mprog.ENOENT, rule: "relative/not-attached"},
	{name: "program and before nothing", list: "a b", prog: "a", flags: B, errno: mprog.ERANGE, rule: "position/disagree"},
	{name: "program and after nothing", list: "a b", prog: "b", flags: A, errno: mprog.ERANGE, rule: "position/disagree"},
	{name: "program not in front of that", list: "a b c", prog: "a", flags: B, relative: "c", errno: mprog.ERANGE, rule: "position/disagree"},
	{name: "program first and in front of itself", list: "a b", prog: "a", flags: B, relative: "a", errno: mprog.ERANGE, rule: "position/disagree"},
	{name: "before and after", list: "a b", flags: B | A, errno: mprog.ERANGE, rule: "position/disagree"},
	{name: "before and after one", list: "a b c", flags: B | A, relative: "b", errno: mprog.ERANGE, rule: "position/disagree"},
	{name: "relative without a side", list: "a b", relative: "a", errno: mprog.EINVAL, rule: "position/none"},
	{name: "id without a side", list: "a b", flags: I, relative: "id:a", errno: mprog.EINVAL, rule: "position/none"},
	{name: "the last of 63", list: "*63", errno: mprog.ERANGE, rule: "position/range"},
	{name: "after nothing of 63", list: "*63", flags: A, errno: mprog.ERANGE, rule: "position/range"},
	{name: "after the last of 63", list: "*62 a", flags: A, relative: "a", errno: mprog.ERANGE, rule: "position/range"},
	{name: "range before owner", list: "*62 a@l", errno: mprog.ERANGE, rule: "position/range"},

	// In front of mprog.
	{name: "unknown flag", list: "a", prog: "99", flags: 2, errno: mprog.EINVAL, rule: "flags/unknown"},
	{name: "program fd closed", list: "a", prog: "99", errno: mprog.EBADF, rule: "prog/bad-fd"},
	{name: "program fd of no BPF object", list: "a", prog: "1", errno: mprog.EINVAL, rule: "prog/not-a-program"},
	{name: "program of another type", list: "a", prog: "q", errno: mprog.EINVAL, rule: "prog/type"},
}

func TestDetach(t *testing.T) {
	for _, c := range detachCases {
		t.Run(c.name, func(t *testing.T) {
			for _, at := range hooks {
				s := newStage(t, at)
				s.put(c.list)
				list, revision := s.list()
				err := s.k.ProgDetach(mprog.DetachRequest(s.attach(c.prog, c.flags, c.relative, "", c.revision)))
				s.check(err, c.errno, c.rule)
				if c.rule == "" {
					revision++
				} else {
					c.want, c.any = list, false
				}
				got, rev := s.list()
				if !c.any && got != c.want || rev != revision {
					t.Errorf("%s: got [%s] at revision %d, want [%s] at %d", at, got, rev, c.want, revision)
				}
			}
		})
	}
}

func TestDetachDevice(t *testing.T) {
	s := newStage(t, mprog.NetkitPrimary)
	detach := func(ifindex uint32, at mprog.AttachType) error {
		return s.k.ProgDetach(mprog.DetachRequest{TargetIfindex: ifindex, AttachType: at})
	}
	check(t, detach(99, mprog.NetkitPrimary), mprog.ENODEV, "device/none")
	check(t, detach(s.veth, mprog.NetkitPrimary), mprog.ENXIO, "device/not-netkit")
	check(t, detach(s.nk1, mprog.NetkitPeer), mprog.EACCES, "device/peer-ifindex")
	check(t, detach(99, mprog.TCXIngress), mprog.ENODEV, "device/none")
	check(t, detach(s.hook.Ifindex, 999), mprog.EINVAL, "attach-type/unknown")
	check(t, detach(s.hook.Ifindex, 41), mprog.EINVAL, "attach-type/unknown")
	check(t, detach(s.hook.Ifindex, 0), mprog.EBADF, "attach-type/cgroup")
	check(t, detach(s.hook.Ifindex, 53), mprog.EBADF, "attach-type/cgroup")
	if err := detach(s.hook.Ifindex, 38); !errors.Is(err, mprog.ErrUnsupported) {
		t.Error(err)
	}
	if err := s.k.ProgDetach(mprog.DetachRequest{AttachType: 53, Flags: B}); !errors.Is(err, mprog.ErrUnsupported) {
		t.Error(err)
	}
}

// To name no program takes one of two capabilities; to name one takes its fd.
func TestDetachCapability(t *testing.T) {
	s := newStage(t, mprog.NetkitPrimary)
	s.put("a b")
	s.prog("c", mprog.SchedCLS)
	s.k.caps = 0
	r := mprog.DetachRequest(s.attach("", 0, "", "", 0))
	check(t, s.k.ProgDetach(r), mprog.EPERM, "capability/net-admin")
	r.TargetIfindex = 99 // the capability comes before the device
	check(t, s.k.ProgDetach(r), mprog.EPERM, "capability/net-admin")
	check(t, s.k.ProgDetach(mprog.DetachRequest(s.attach("a", 0, "", "", 0))), 0, "")
	check(t, s.k.ProgAttach(s.attach("c", 0, "", "", 0)), 0, "")
	for _, caps := range []capabilities{capNetAdmin, capSysAdmin} {
		s.k.caps = caps
		check(t, s.k.ProgDetach(mprog.DetachRequest(s.attach("", 0, "", "", 0))), 0, "")
	}
}

// On netkit the revision goes on when the hook is empty, although a query shows
// 1; on tcx the next attach starts anew.
func TestRevisionAfterEmpty(t *testing.T) {
	for _, at := range hooks {
		s := newStage(t, at)
		s.put("a")
		check(t, s.k.ProgDetach(mprog.DetachRequest(s.attach("a", 0, "", "", 0))), 0, "")
		if got, rev := s.list(); got != "" || rev != 1 {
			t.Errorf("%s: emptied: [%s] at revision %d", at, got, rev)
		}
		err := s.k.ProgAttach(s.attach("b", 0, "", "", 1))
		want := uint64(4)
		if at.Netkit() {
			check(t, err, mprog.ESTALE, "revision/stale")
			check(t, s.k.ProgAttach(s.attach("b", 0, "", "", 3)), 0, "")
		} else {
			check(t, err, 0, "")
			want = 2
		}
		if got, rev := s.list(); got != "b" || rev != want {
			t.Errorf("%s: attached again: [%s] at revision %d, want %d", at, got, rev, want)
		}
	}
}

// A refused attach leaves no storage behind.
func TestRevisionAfterRefused(t *testing.T) {
	for _, at := range hooks {
		s := newStage(t, at)
		check(t, s.k.ProgAttach(s.attach("a", B, "b", "", 0)), mprog.ENOENT, "relative/not-attached")
		check(t, s.k.ProgDetach(mprog.DetachRequest(s.attach("", R, "", "", 0))), mprog.ENOENT, "detach/empty")
		check(t, s.k.ProgAttach(s.attach("a", 0, "", "", 1)), 0, "")
	}
}
