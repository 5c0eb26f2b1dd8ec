package conformance_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

func TestFake(t *testing.T) {
	conformance.Test(t, func(testing.TB) mprog.Environment { return fake.New() })
}

const head = "# A rule.\nneed netkit\nnetkit nk0 nk1\nveth v0 v1\nprog a b c\n"

func scenario(t *testing.T, text string) conformance.Scenario {
	t.Helper()
	list, err := conformance.Load(fstest.MapFS{"dir/case.trace": {Data: []byte(head + text)}})
	require.NoError(t, err)
	return list[0]
}

// broken answers as the fake does, but for one defect.
type broken struct {
	*fake.Kernel
	attach func(*fake.Kernel, mprog.AttachRequest) error
	query  func(*fake.Kernel, mprog.QueryRequest) (mprog.QueryResult, error)
}

func (b broken) ProgAttach(r mprog.AttachRequest) error {
	if b.attach != nil {
		return b.attach(b.Kernel, r)
	}
	return b.Kernel.ProgAttach(r)
}

func (b broken) ProgQuery(r mprog.QueryRequest) (mprog.QueryResult, error) {
	if b.query != nil {
		return b.query(b.Kernel, r)
	}
	return b.Kernel.ProgQuery(r)
}

func TestRunFindsWhatTheErrnoDoesNotShow(t *testing.T) {
	for _, tc := range []struct {
		name, trace string
		env         broken
		want        string // part of the failure
	}{
		{
			name:  "replace appends",
			trace: "attach nk0:primary a = revision 2 [a]\nattach nk0:primary b flags=replace replace_bpf_fd=a = revision 3 [b]\n",
			env: broken{attach: func(k *fake.Kernel, r mprog.AttachRequest) error {
				r.Flags, r.ReplaceFD = 0, 0
				return k.ProgAttach(r)
			}},
			want: "came     = revision 3 [a b]",
		},
		{
			name:  "success without effect",
			trace: "attach nk0:primary a = [a]\n",
			env:   broken{attach: func(*fake.Kernel, mprog.AttachRequest) error { return nil }},
			want:  "expected = [a]",
		},
		{
			name:  "refusal with effect",
			trace: "attach nk0:primary a ! EBUSY\n",
			env: broken{attach: func(k *fake.Kernel, r mprog.AttachRequest) error {
				_ = k.ProgAttach(r)
				return mprog.EBUSY
			}},
			want: "nk0:primary unchanged by a refusal: = revision 1 []",
		},
		{
			name:  "another hook changes too",
			trace: "attach nk0:primary a\nattach nk0:peer b\n",
			env: broken{attach: func(k *fake.Kernel, r mprog.AttachRequest) error {
				if other := r; r.AttachType == mprog.NetkitPeer {
					other.AttachType = mprog.NetkitPrimary
					_ = k.ProgAttach(other)
				}
				return k.ProgAttach(r)
			}},
			want: "nk0:primary unchanged by an untouched hook: = revision 2 [a]",
		},
		{
			name:  "revision stands still",
			trace: "attach nk0:primary a = revision 2\n",
			env: broken{query: func(k *fake.Kernel, r mprog.QueryRequest) (mprog.QueryResult, error) {
				q, err := k.ProgQuery(r)
				q.Revision = 1
				return q, err
			}},
			want: "came     = revision 1 [a]",
		},
		{
			name:  "owner is lost",
			trace: "link l nk0:primary a = [a@l]\n",
			env: broken{query: func(k *fake.Kernel, r mprog.QueryRequest) (mprog.QueryResult, error) {
				q, err := k.ProgQuery(r)
				clear(r.LinkIDs)
				return q, err
			}},
			want: "came     = revision 2 [a]",
		},
		{
			name:  "wrong errno",
			trace: "attach nk0:primary a expected_revision=9 ! EINVAL\n",
			want:  "came     ! ESTALE\n  prog attach: expected revision 9, hook is at 1: ESTALE",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.env.Kernel = fake.New()
			r := conformance.Run(tc.env, scenario(t, tc.trace))
			require.Equal(t, conformance.Failed, r.Status)
			require.Contains(t, r.Failure.String(), tc.want)

			if tc.name != "refusal with effect" && tc.name != "wrong errno" { // expected on purpose
				r = conformance.Run(fake.New(), scenario(t, tc.trace))
				require.Equal(t, conformance.Passed, r.Status, "without the defect: %v", r.Failure)
			}
		})
	}
}

func TestUnsupportedIsSkipped(t *testing.T) {
	r := conformance.Run(fake.New(fake.Without(mprog.FeatureNetkit)), scenario(t, "attach nk0:primary a\n"))
	require.Equal(t, conformance.Skipped, r.Status)
	require.Contains(t, r.Reason, "needs netkit")
}

func TestRecordWritesWhatCame(t *testing.T) {
	const text = head + `attach nk0:primary a
attach nk0:primary a                   = ok  # not really
link l nk0:primary b flags=before expected_revision=2
query nk0:primary count=1              ?
info l
close l
delete nk1
query nk0:primary
`
	const want = head + `attach nk0:primary a                   = revision 2 [a]
attach nk0:primary a                   ! EEXIST  # not really
link l nk0:primary b flags=before expected_revision=2 = revision 3 [b@l a]
query nk0:primary count=1              ! ENOSPC revision 3 count 2 [b@l]
info l                                 = type netkit id l prog_id b ifindex nk0 attach_type primary
close l                                = revision 4 [a]
delete nk1
query nk0:primary                      ! ENODEV
`
	f, err := trace.Parse("t", text)
	require.NoError(t, err)
	out, err := conformance.Record(fake.New(), f)
	require.NoError(t, err)
	require.Equal(t, want, out.String())
}

func TestLoadReportsEveryMistake(t *testing.T) {
	_, err := conformance.Load(fstest.MapFS{
		"a/ok.trace":      {Data: []byte("# A rule.\nprog a\n")},
		"a/typo.trace":    {Data: []byte("# A rule.\npro a\n")},
		"b/no-rule.trace": {Data: []byte("prog a\n# A rule.\n")},
		"README.md":       {Data: []byte("not a scenario")},
	})
	require.ErrorContains(t, err, `a/typo.trace:2:1: unknown statement "pro"`)
	require.ErrorContains(t, err, "b/no-rule.trace:1:1: expected a comment at the top")

	_, err = conformance.Load(fstest.MapFS{})
	require.ErrorContains(t, err, "no file ends in .trace")
}

func TestSelect(t *testing.T) {
	var all []conformance.Scenario
	for _, id := range []string{"attach/order/first", "attach/order/last", "detach/order/first", "link/stale"} {
		all = append(all, conformance.Scenario{ID: id})
	}
	for _, tc := range []struct{ patterns, want string }{
		{"", "attach/order/first attach/order/last detach/order/first link/stale"},
		{"attach/", "attach/order/first attach/order/last"},
		{"att", "attach/order/first attach/order/last"},
		{"*/order/first", "attach/order/first detach/order/first"},
		{"*/order", "attach/order/first attach/order/last detach/order/first"},
		{"link/stale attach/order/last", "attach/order/last link/stale"},
	} {
		chosen, err := conformance.Select(all, strings.Fields(tc.patterns)...)
		require.NoError(t, err)
		var ids []string
		for _, s := range chosen {
			ids = append(ids, s.ID)
		}
		require.Equal(t, tc.want, strings.Join(ids, " "), tc.patterns)
	}
	_, err := conformance.Select(all, "attach/", "nothing/")
	require.EqualError(t, err, `pattern "nothing/" matches none of the 4 scenarios, and no rule has that id: ids begin with attach, detach, link`)
	_, err = conformance.Select(all, "detach/ordr")
	require.EqualError(t, err, `pattern "detach/ordr" matches none of the 4 scenarios, and no rule has that id: perhaps detach/order or detach/border`)
	_, err = conformance.Select(all, "[")
	require.ErrorContains(t, err, `pattern "["`)
}

// The id of a rule is a pattern where no scenario's begins with it.
func TestSelectByRule(t *testing.T) {
	all, err := conformance.Load(os.DirFS("../testdata/scenarios"))
	require.NoError(t, err)
	for pattern, want := range map[string]string{
		"order/before":          `flags=before`,               // a behaviour
		"attach-type/not-built": `! EINVAL`,                   // a refusal, on a kernel that lacks something
		"qdisc/exists":          `! EEXIST`,                   // another
		"revision/stale":        `! ESTALE`,                   // also a folder
		"revision/emptied-tcx":  `expected_revision=1 += rev`, // shown by another folder
	} {
		chosen, err := conformance.Select(all, pattern)
		require.NoError(t, err)
		require.Less(t, len(chosen), len(all)/4, pattern)
		shown := regexp.MustCompile(want)
		require.True(t, slices.ContainsFunc(chosen, func(s conformance.Scenario) bool { return shown.MatchString(s.Trace.String()) }), pattern)
	}
	rules, err := conformance.Select(all, "order/")
	require.NoError(t, err)
	before, err := conformance.Select(all, "order/before")
	require.NoError(t, err)
	require.Greater(t, len(rules), len(before), "all rules that begin so")
	_, err = conformance.Select(all, "rev/stale")
	require.ErrorContains(t, err, "perhaps revision/stale")
	_, err = conformance.Select(all, "stage/netns")
	require.ErrorContains(t, err, "shows the rule stage/netns")
	_, err = conformance.Select(all, "ordr/before")
	require.ErrorContains(t, err, "perhaps order/before")
	_, err = conformance.Select(all, "revison/stale")
	require.ErrorContains(t, err, "perhaps revision/stale")
}

// Every successful change in the suite says what the hook is like afterwards,
// and every file is in the form that the printer gives.
func TestSuiteIsStrict(t *testing.T) {
	all, err := conformance.Load(os.DirFS("../testdata/scenarios"))
	require.NoError(t, err)
	changes := map[string]bool{"attach": true, "detach": true, "link": true, "link-update": true, "link-detach": true}
	filters := map[string]bool{"filter": true, "filter-delete": true}
	for _, s := range all {
		deleted := false         // a hook that is gone has no state to give
		xdp := map[string]bool{} // nor have links of XDP programs
		for _, st := range s.Trace.Statements() {
			if strings.HasSuffix(st.Operands[min(1, len(st.Operands)-1)], ":xdp") {
				xdp[st.Operands[0]] = true
			}
			deleted = deleted || st.Verb == "delete" || st.Verb == "end" || st.Verb == "cgroup-remove"
			if st.Answer.Any {
				t.Errorf("%s:%d: %s: give the answer", s.Trace.Name, st.Line, st.Call())
			}
			for _, o := range st.Answer.Outcomes {
				if filters[st.Verb] && o.Errno == 0 && !o.Listed {
					t.Errorf("%s:%d: %s: give the list that follows", s.Trace.Name, st.Line, st.Call())
				}
			}
			if filters[st.Verb] && st.Answer.Outcomes == nil {
				t.Errorf("%s:%d: %s: give the list that follows", s.Trace.Name, st.Line, st.Call())
			}
			if !changes[st.Verb] || xdp[st.Operands[0]] || deleted && strings.HasPrefix(st.Verb, "link-") {
				continue
			}
			loose := len(st.Answer.Outcomes) == 0
			for _, o := range st.Answer.Outcomes {
				_, revision := o.Field("revision")
				loose = loose || o.Errno == 0 && !(revision && o.Listed)
			}
			if loose {
				t.Errorf("%s:%d: %s: give the revision and the list that follow", s.Trace.Name, st.Line, st.Call())
			}
		}
		text, err := os.ReadFile("../testdata/scenarios/" + s.Trace.Name)
		require.NoError(t, err)
		written, err := trace.Parse(s.Trace.Name, string(text)) // of several hooks, as it stands
		require.NoError(t, err)
		if string(text) != written.String() {
			t.Errorf("%s is not in the printer's form", s.Trace.Name)
		}
	}
}
