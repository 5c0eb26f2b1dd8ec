package fake

import (
	"errors"
	"testing"

	"github.com/nkconform/nkconform/mprog"
)

func TestParseRelease(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"6.6", "6.6"}, {"6.12.117+deb13-amd64", "6.12.117"}, {"6.12.0", "6.12.0"}, {"6.12.900", "6.12.900"}, {"7.3-rc1", "7.3"}, {"6.1", "6.1"}, {"7.0", "7.0"},
		{"5.15", ""}, {"7.4", ""}, {"8.0", ""}, {"6", ""}, {"6.x", ""}, {"", ""}, {"linux", ""}, {"-6.6", ""},
		{"6.12.", ""}, {"6.12.1.2", ""}, {"6.99999", ""}, {"6.12.x", ""},
	} {
		r, err := ParseRelease(c.text)
		if c.want == "" {
			if !errors.Is(err, mprog.ErrUnsupported) {
				t.Errorf("%q: %v, %v", c.text, r, err)
			}
		} else if err != nil || r.String() != c.want {
			t.Errorf("%q: %s, %v", c.text, r, err)
		}
	}
}

func TestLinuxPanics(t *testing.T) {
	defer func() {
		if got, want := recover(), "fake: unsupported: Linux 9.9: known are 6.1 to 7.3"; got != want {
			t.Errorf("%v, want %s", got, want)
		}
	}()
	Linux("9.9")
}

// The features of releases, and how they are switched.
func TestFeatures(t *testing.T) {
	for _, c := range []struct {
		opts    []Option
		release string
		lacks   string
	}{
		{nil, "7.3.4 (simulated)", ""},
		{[]Option{Linux("6.1")}, "6.1.192 (simulated)", "tcx netkit single cgroup-mprog "},
		{[]Option{Linux("6.6")}, "6.6 (simulated)", "netkit single cgroup-mprog "},
		{[]Option{Linux("6.7")}, "6.7 (simulated)", "single cgroup-mprog "},
		{[]Option{Linux("6.12")}, "6.12.118 (simulated)", "single "},
		{[]Option{Linux("6.12.109")}, "6.12.109 (simulated)", "single cgroup-mprog "},
		{[]Option{Linux("6.12.110")}, "6.12.110 (simulated)", "single "},
		{[]Option{Linux("6.16")}, "6.16.12 (simulated)", "single cgroup-mprog "},
		{[]Option{Linux("7.0")}, "7.0.13 (simulated)", "single "},
		{[]Option{Linux("7.1")}, "7.1.13 (simulated)", ""},
		{[]Option{Without(mprog.FeatureNetkit), Linux("7.2")}, "7.2.13 without netkit (simulated)", "netkit "},
		{[]Option{Linux("6.6"), With(mprog.FeatureNetkit)}, "6.6 with netkit (simulated)", "single cgroup-mprog "},
	} {
		k := New(c.opts...)
		lacks := ""
		for _, f := range mprog.Features {
			if err := k.Supports(f); errors.Is(err, mprog.ErrUnsupported) {
				lacks += string(f) + " "
			}
		}
		if k.Release() != c.release || lacks != c.lacks {
			t.Errorf("%s lacks %s, want %s and %s", k.Release(), lacks, c.release, c.lacks)
		}
	}
}

// How long releases know bpf_attr to be, and the fields of commands. Measured on
// kernels of Debian, with a byte that is not zero; 6.6 and 6.7 are between two
// that are alike.
func TestAttrOfReleases(t *testing.T) {
	query := func(k *Kernel, junk uint32) error {
		_, err := k.ProgQuery(mprog.QueryRequest{Shape: mprog.Shape{Size: 4096, Junk: junk}})
		return err
	}
	link := func(k *Kernel, junk uint32) error {
		_, err := k.LinkCreate(mprog.LinkCreateRequest{Shape: mprog.Shape{Size: 4096, Junk: junk}, ProgFD: 99})
		return err
	}
	attach := func(k *Kernel, junk uint32) error {
		return k.ProgAttach(mprog.AttachRequest{Shape: mprog.Shape{Size: 4096, Junk: junk}, AttachFD: 99})
	}
	for _, c := range []struct {
		name  string
		do    func(*Kernel, uint32) error
		inner mprog.Errno // of the last byte known
		outer mprog.Errno // of the first byte unknown
		ends  map[string]uint32
	}{
		{"bpf_attr", query, mprog.EINVAL, mprog.E2BIG, map[string]uint32{
			"6.1": 144, "6.12": 152, "6.16": 152, "6.17": 152, "6.18": 168, "7.0": 168, "7.3": 168,
		}},
		{"BPF_LINK_CREATE", link, mprog.EBADF, mprog.EINVAL, map[string]uint32{
			"6.1": 48, "6.12": 60, "6.17": 60, "6.18": 60, "7.1": 60, "7.2": 64, "7.3": 64,
		}},
		{"BPF_PROG_ATTACH", attach, mprog.EBADF, mprog.EINVAL, map[string]uint32{"6.1": 20}},
	} {
		for release, end := range c.ends {
			k := New(Linux(release))
			inner, _ := mprog.ErrnoOf(c.do(k, end-1))
			outer, _ := mprog.ErrnoOf(c.do(k, end))
			if inner != c.inner || outer != c.outer {
				t.Errorf("%s on %s: byte %d is %s, byte %d %s", c.name, release, end-1, inner, end, outer)
			}
		}
	}
}

// A kernel in front of tcx does not know its attach types, one without it does.
func TestAttachTypeOfReleases(t *testing.T) {
	for _, c := range []struct {
		opts []Option
		rule mprog.Rule
	}{
		{[]Option{Linux("6.1")}, "attach-type/unknown"},
		{[]Option{Without(mprog.FeatureTCX)}, "attach-type/not-built"},
	} {
		k := New(c.opts...)
		fd, err := k.LoadProg(mprog.ProgSpec{Name: "a"})
		check(t, err, 0, "")
		err = k.ProgAttach(mprog.AttachRequest{TargetIfindex: 1, AttachFD: fd, AttachType: mprog.TCXIngress})
		check(t, err, mprog.EINVAL, c.rule)
	}
}

func TestReleases(t *testing.T) {
	list := Releases()
	if newest := list[len(list)-1]; newest != Newest {
		t.Errorf("ends with %s, not with %s", newest, Newest)
	}
	for i, r := range list {
		if parsed, err := ParseRelease(r.String()); err != nil || parsed != r {
			t.Errorf("%s: read as %s (%v)", r, parsed, err)
		}
		if i > 0 && !list[i-1].Before(r) && list[i-1] != r.line() {
			t.Errorf("%s comes after %s", r, list[i-1])
		}
	}
}

// An update changes what is said of it, in its release alone; without one the release
// is the newest seen.
func TestUpdates(t *testing.T) {
	for _, c := range []struct {
		release          string
		asks, scrub      bool
		mapInfo          uint32
		mprogs, preorder bool
	}{
		{"6.12.0", false, false, 88, false, false},
		{"6.12.4", false, true, 88, false, false},
		{"6.12.31", false, true, 88, false, true},
		{"6.12.95", false, true, 88, false, true},
		{"6.12.113", false, true, 88, true, true},
		{"6.12.114", true, true, 88, true, true},
		{"6.12", true, true, 88, true, true},
		{"6.13", false, true, 88, false, false},
		{"6.16", false, true, 88, false, true},
		{"6.17.13", false, true, 88, true, true},
		{"6.18.0", false, true, 104, true, true},
		{"6.18", true, true, 104, true, true},
	} {
		r, err := ParseRelease(c.release)
		if err != nil {
			t.Fatal(err)
		}
		g := r.generation()
		if g.detachAsks != c.asks || g.NetkitScrub != c.scrub || g.MapInfo != c.mapInfo || g.has(mprog.FeatureCgroupMprog) != c.mprogs || g.has(preorder) != c.preorder {
			t.Errorf("Linux %s: asks %t, scrub %t, map info %d, mprog on cgroups %t, PREORDER %t", c.release,
				g.detachAsks, g.NetkitScrub, g.MapInfo, g.has(mprog.FeatureCgroupMprog), g.has(preorder))
		}
	}
}
