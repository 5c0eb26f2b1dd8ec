package fake

import (
	"errors"
	"testing"

	"github.com/nkconform/nkconform/mprog"
)

// attachCases are the rules of bpf_mprog_attach. The hook has list, at revision
// 1 + its length; then x is attached.
var attachCases = []struct {
	name     string
	list     string
	prog     string // x, if empty
	flags    mprog.Flags
	relative string
	old      string
	revision uint64
	errno    mprog.Errno
	rule     mprog.Rule
	want     string
}{
	// Success.
	{name: "first", want: "x"},
	{name: "appended", list: "a b", want: "a b x"},
	{name: "revision right", list: "a b", revision: 3, want: "a b x"},
	{name: "before nothing is the front", list: "a b", flags: B, want: "x a b"},
	{name: "after nothing is the end", list: "a b", flags: A, want: "a b x"},
	{name: "before nothing on an empty hook", flags: B, want: "x"},
	{name: "after nothing on an empty hook", flags: A, want: "x"},
	{name: "before first", list: "a b c", flags: B, relative: "a", want: "x a b c"},
	{name: "before middle", list: "a b c", flags: B, relative: "b", want: "a x b c"},
	{name: "before last", list: "a b c", flags: B, relative: "c", want: "a b x c"},
	{name: "after first", list: "a b c", flags: A, relative: "a", want: "a x b c"},
	{name: "after middle", list: "a b c", flags: A, relative: "b", want: "a b x c"},
	{name: "after last", list: "a b c", flags: A, relative: "c", want: "a b c x"},
	{name: "before program id", list: "a b", flags: B | I, relative: "id:b", want: "a x b"},
	{name: "after program id", list: "a b", flags: A | I, relative: "id:a", want: "a x b"},
	{name: "before link", list: "a b@l", flags: B | L, relative: "l", want: "a x b@l"},
	{name: "after link", list: "a@l b", flags: A | L, relative: "l", want: "a@l x b"},
	{name: "before link id", list: "a b@l", flags: B | L | I, relative: "id:l", want: "a x b@l"},
	{name: "after link id", list: "a@l b", flags: A | L | I, relative: "id:l", want: "a@l x b"},
	{name: "a program is found though a link owns it", list: "a b@l", flags: B, relative: "b", want: "a x b@l"},
	{name: "replace", list: "a b c", flags: R, old: "b", want: "a x c"},
	{name: "replace the only one", list: "a", flags: R, old: "a", want: "x"},
	{name: "replace before the next", list: "a b c", flags: R | B, old: "a", relative: "b", want: "x b c"},
	{name: "replace after the previous", list: "a b c", flags: R | A, old: "c", relative: "b", want: "a b x"},
	{name: "replace on a full hook", list: "a *62", flags: R, old: "a"},
	{name: "the 63rd", list: "*62"},
	{name: "old without replace is not looked at", list: "a", old: "99", want: "a x"},

	// Refusals.
	{name: "revision stale", list: "a b", revision: 2, errno: mprog.ESTALE, rule: "revision/stale"},
	{name: "revision of the future", list: "a b", revision: 4, errno: mprog.ESTALE, rule: "revision/stale"},
	{name: "revision of an empty hook", revision: 2, errno: mprog.ESTALE, rule: "revision/stale"},
	{name: "there already", list: "a x", errno: mprog.EEXIST, rule: "attach/duplicate"},
	{name: "there already, owned", list: "a x@l", errno: mprog.EEXIST, rule: "attach/duplicate"},
	{name: "replace by itself", list: "a x", flags: R, old: "x", errno: mprog.EEXIST, rule: "attach/duplicate"},
	{name: "revision before duplicate", list: "x", revision: 9, errno: mprog.ESTALE, rule: "revision/stale"},
	{name: "duplicate before relative", list: "x", flags: B, relative: "99", errno: mprog.EEXIST, rule: "attach/duplicate"},
	{name: "relative link id unknown", list: "a", flags: B | L | I, relative: "99", errno: mprog.ENOENT, rule: "relative/link-id"},
	{name: "relative link id 0", list: "a", flags: B | L | I, errno: mprog.ENOENT, rule: "relative/link-id"},
	{name: "relative link fd 0", list: "a", flags: B | L, errno: mprog.EINVAL, rule: "relative/link-zero"},
	{name: "link alone with fd 0", list: "a", flags: L, errno: mprog.EINVAL, rule: "relative/link-zero"},
	{name: "relative link fd closed", list: "a", flags: B | L, relative: "99", errno: mprog.EBADF, rule: "relative/bad-fd"},
	{name: "relative link fd of a program", list: "a", flags: B | L, relative: "a", errno: mprog.EINVAL, rule: "relative/not-a-link"},
	{name: "relative program id unknown", list: "a", flags: A | I, relative: "99", errno: mprog.ENOENT, rule: "relative/prog-id"},
	{name: "relative program id 0", list: "a", flags: A | I, errno: mprog.ENOENT, rule: "relative/prog-id"},
	{name: "id alone with id 0", list: "a", flags: I, errno: mprog.ENOENT, rule: "relative/prog-id"},
	{name: "relative fd closed", list: "a", flags: A, relative: "99", errno: mprog.EBADF, rule: "relative/bad-fd"},
	{name: "relative fd of a link", list: "a@l", flags: A, relative: "l", errno: mprog.EINVAL, rule: "relative/not-a-program"},
	{name: "relative fd of no BPF object", list: "a", flags: A, relative: "1", errno: mprog.EINVAL, rule: "relative/not-a-program"},
	{name: "relative of another type", list: "a", flags: A, relative: "q", errno: mprog.EINVAL, rule: "relative/type"},
	{name: "relative id of another type", list: "a", flags: A | I, relative: "id:q", errno: mprog.EINVAL, rule: "relative/type"},
	{name: "relative before replace", list: "a", flags: R, old: "b", relative: "99", errno: mprog.EBADF, rule: "relative/bad-fd"},
	{name: "relative before full", list: "*63", flags: B, relative: "99", errno: mprog.EBADF, rule: "relative/bad-fd"},
	{name: "replaced not there", list: "a", flags: R, old: "b", errno: mprog.ENOENT, rule: "replace/not-attached"},
	{name: "replaced on an empty hook", flags: R, old: "b", errno: mprog.ENOENT, rule: "replace/not-attached"},
	{name: "replaced owned", list: "a@l", flags: R, old: "a", errno: mprog.EBUSY, rule: "replace/owned-by-link"},
	{name: "replace before relative's presence", list: "a", flags: R | B, old: "b", relative: "c", errno: mprog.ENOENT, rule: "replace/not-attached"},
	{name: "the 64th", list: "*63", errno: mprog.ERANGE, rule: "attach/full"},
	{name: "the 64th in front", list: "*63", flags: B, errno: mprog.ERANGE, rule: "attach/full"},
	{name: "full before relative's presence", list: "*63", flags: B, relative: "a", errno: mprog.ERANGE, rule: "attach/full"},
	{name: "before what is not there", list: "a", flags: B, relative: "b", errno: mprog.ENOENT, rule: "relative/not-attached"},
	{name: "after what is not there", list: "a", flags: A, relative: "b", errno: mprog.ENOENT, rule: "relative/not-attached"},
	{name: "relative on an empty hook", flags: A, relative: "b", errno: mprog.ENOENT, rule: "relative/not-attached"},
	{name: "before and after", list: "a b", flags: B | A, errno: mprog.ERANGE, rule: "position/disagree"},
	{name: "before and after on an empty hook", flags: B | A, errno: mprog.ERANGE, rule: "position/disagree"},
	{name: "before and after one", list: "a b", flags: B | A, relative: "a", errno: mprog.ERANGE, rule: "position/disagree"},
	{name: "replace before itself", list: "a b", flags: R | B, old: "b", relative: "b", errno: mprog.ERANGE, rule: "position/disagree"},
	{name: "replace before the previous", list: "a b", flags: R | B, old: "b", relative: "a", errno: mprog.ERANGE, rule: "position/disagree"},
	{name: "replace before nothing", list: "a b", flags: R | B, old: "a", errno: mprog.ERANGE, rule: "position/disagree"},
	{name: "replace after the next", list: "a b", flags: R | A, old: "a", relative: "b", errno: mprog.ERANGE, rule: "position/disagree"},
	{name: "replace after nothing", list: "a b", flags: R | A, old: "b", errno: mprog.ERANGE, rule: "position/disagree"},
	{name: "replace on a full hook after nothing", list: "*62 a", flags: R | A, old: "a", errno: mprog.ERANGE, rule: "position/disagree"},
	{name: "relative without a side", list: "a", relative: "a", errno: mprog.EINVAL, rule: "position/none"},
	{name: "id without a side", list: "a", flags: I, relative: "id:a", errno: mprog.EINVAL, rule: "position/none"},
	{name: "link without a side", list: "a@l", flags: L, relative: "l", errno: mprog.EINVAL, rule: "position/none"},

	// In front of mprog.
	{name: "unknown flag", list: "a", flags: 1, errno: mprog.EINVAL, rule: "flags/unknown"},
	{name: "unknown flag before program", prog: "99", flags: 1 << 6, errno: mprog.EINVAL, rule: "flags/unknown"},
	{name: "program fd closed", prog: "99", errno: mprog.EBADF, rule: "prog/bad-fd"},
	{name: "program fd 0", prog: "0", errno: mprog.EINVAL, rule: "prog/not-a-program"},
	{name: "program fd of a link", list: "a@l", prog: "l", errno: mprog.EINVAL, rule: "prog/not-a-program"},
	{name: "program of another type", prog: "q", errno: mprog.EINVAL, rule: "prog/type"},
	{name: "replaced fd closed", list: "a", flags: R, old: "99", errno: mprog.EBADF, rule: "replace/bad-fd"},
	{name: "replaced fd 0", list: "a", flags: R, errno: mprog.EINVAL, rule: "replace/not-a-program"},
	{name: "replaced of another type", list: "a", flags: R, old: "q", errno: mprog.EINVAL, rule: "replace/type"},
	{name: "replaced before revision", list: "a", flags: R, old: "99", revision: 9, errno: mprog.EBADF, rule: "replace/bad-fd"},
}

func TestAttach(t *testing.T) {
	for _, c := range attachCases {
		t.Run(c.name, func(t *testing.T) {
			for _, at := range hooks {
				s := newStage(t, at)
				s.put(c.list)
				if c.prog == "" {
					c.prog = "x"
				}
				list, revision := s.list()
				err := s.k.ProgAttach(s.attach(c.prog, c.flags, c.relative, c.old, c.revision))
				s.check(err, c.errno, c.rule)
				if c.rule == "" {
					revision++
				} else {
					c.want = list
				}
				got, rev := s.list()
				if c.want != "" && got != c.want || rev != revision {
					t.Errorf("%s: got [%s] at revision %d, want [%s] at %d", at, got, rev, c.want, revision)
				}
			}
		})
	}
}

// A link matches only itself, even where its program stands without it.
func TestRelativeLinkDefunct(t *testing.T) {
	for _, at := range hooks {
		s := newStage(t, at)
		s.put("a@l")
		s.check(s.k.LinkDetach(mprog.LinkDetachRequest{LinkFD: s.ref("l")}), 0, "")
		s.put("a")
		err := s.k.ProgAttach(s.attach("x", B|L, "l", "", 0))
		s.check(err, mprog.ENOENT, "relative/not-attached")
	}
}

// A program is on one hook once, and on several hooks at once.
func TestAttachEverywhere(t *testing.T) {
	s := newStage(t, 0)
	for _, at := range hooks {
		s.hook.Type = at
		s.put("a")
		if got, _ := s.list(); got != "a" {
			t.Errorf("%s: [%s]", at, got)
		}
	}
}

func TestAttachDevice(t *testing.T) {
	s := newStage(t, mprog.NetkitPrimary)
	const lo = 1
	for _, c := range []struct {
		name    string
		ifindex uint32
		at      mprog.AttachType
		errno   mprog.Errno
		rule    mprog.Rule
	}{
		{"none", 99, mprog.NetkitPrimary, mprog.ENODEV, "device/none"},
		{"zero", 0, mprog.NetkitPeer, mprog.ENODEV, "device/none"},
		{"none on tcx", 99, mprog.TCXIngress, mprog.ENODEV, "device/none"},
		{"veth", s.veth, mprog.NetkitPrimary, mprog.ENXIO, "device/not-netkit"},
		{"lo", lo, mprog.NetkitPeer, mprog.ENXIO, "device/not-netkit"},
		{"peer's ifindex for primary", s.nk1, mprog.NetkitPrimary, mprog.EACCES, "device/peer-ifindex"},
		{"peer's ifindex for peer", s.nk1, mprog.NetkitPeer, mprog.EACCES, "device/peer-ifindex"},
		{"peer's ifindex for tcx", s.nk1, mprog.TCXEgress, 0, ""},
		{"veth on tcx", s.veth, mprog.TCXIngress, 0, ""},
		{"lo on tcx", lo, mprog.TCXIngress, 0, ""},
		{"attach type beyond", s.hook.Ifindex, 999, mprog.EINVAL, "attach-type/unknown"},
		{"attach type of cgroups", s.hook.Ifindex, 0, mprog.EINVAL, "cgroup/prog-type"},
		{"attach type of cgroups that is not simulated", s.hook.Ifindex, 53, mprog.EINVAL, "attach-type/unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := mprog.AttachRequest{TargetIfindex: c.ifindex, AttachType: c.at, AttachFD: s.ref("a")}
			check(t, s.k.ProgAttach(r), c.errno, c.rule)
		})
	}
	r := mprog.AttachRequest{AttachType: 53, AttachFD: 99}
	check(t, s.k.ProgAttach(r), mprog.EBADF, "prog/bad-fd")
	r.Flags = B
	if err := s.k.ProgAttach(r); !errors.Is(err, mprog.ErrUnsupported) {
		t.Error(err)
	}
	// Program before device, device before the replaced program.
	r = mprog.AttachRequest{TargetIfindex: 99, AttachType: mprog.NetkitPrimary, AttachFD: 99}
	check(t, s.k.ProgAttach(r), mprog.EBADF, "prog/bad-fd")
	r.AttachFD, r.Flags, r.ReplaceFD = s.ref("a"), R, 99
	check(t, s.k.ProgAttach(r), mprog.ENODEV, "device/none")
}
