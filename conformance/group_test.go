package conformance_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform"
	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/internal/careless"
	"github.com/nkconform/nkconform/mprog"
)

// attaching is a fake that attaches as a function does.
func attaching(attach func(*fake.Kernel, mprog.AttachRequest) error) func(...fake.Option) mprog.Environment {
	return func(o ...fake.Option) mprog.Environment { return broken{Kernel: fake.New(o...), attach: attach} }
}

// querying is a fake that spoils what queries have written.
func querying(spoil func(mprog.QueryRequest, mprog.QueryResult)) func(...fake.Option) mprog.Environment {
	return func(o ...fake.Option) mprog.Environment {
		return broken{Kernel: fake.New(o...), query: func(k *fake.Kernel, r mprog.QueryRequest) (mprog.QueryResult, error) {
			q, err := k.ProgQuery(r)
			spoil(r, q)
			return q, err
		}}
	}
}

// Failures are told by what they have in common: the mistake of a library, however
// differently the kernel answers to it, or else what was expected and what came.
func TestGroups(t *testing.T) {
	for _, tc := range []struct {
		name     string
		open     func(...fake.Option) mprog.Environment
		patterns string
		want     []string // what the groups are
	}{
		{"two mistakes", func(o ...fake.Option) mprog.Environment { return careless.New(o...) }, "", []string{
			"as if relative_fd and relative_id were mixed up (attach, link)",
			"as if flags were left out (detach)",
		}},
		{"replaces by appending", attaching(func(k *fake.Kernel, r mprog.AttachRequest) error {
			r.Flags, r.ReplaceFD = r.Flags&^mprog.Replace, 0
			return k.ProgAttach(r)
		}), "attach/ replace/ flags/", []string{"as if a replacement were appended (attach)"}},
		{"does not look at sizes", attaching(func(k *fake.Kernel, r mprog.AttachRequest) error {
			r.Shape = mprog.Shape{}
			return k.ProgAttach(r)
		}), "attr/ attach/", []string{"as if sizes of bpf_attr (size, junk) were passed over (attach)"}},
		{"another errno", attaching(func(k *fake.Kernel, r mprog.AttachRequest) error {
			err := k.ProgAttach(r)
			if errors.Is(err, mprog.ESTALE) {
				return mprog.EAGAIN
			}
			return err
		}), "revision/ attach/", []string{"ESTALE expected, EAGAIN came"}},
		{"errors of its own", attaching(func(k *fake.Kernel, r mprog.AttachRequest) error {
			if err := k.ProgAttach(r); err != nil {
				return errors.New("mylib: " + strings.Repeat("x", int(r.AttachFD)) + ": it went wrong")
			}
			return nil
		}), "revision/ relative/", []string{"attach: an error without an errno, it went wrong"}},
		{"does not tell the owners", querying(func(r mprog.QueryRequest, _ mprog.QueryResult) { clear(r.LinkIDs) }),
			"link/", []string{"link: the same programs with other links"}},
		{"tells the list backwards", querying(func(r mprog.QueryRequest, q mprog.QueryResult) {
			if r.ProgIDs != nil {
				slices.Reverse(r.ProgIDs[:min(q.Count, r.Count)])
			}
		}), "attach/order packet/", []string{"attach: the programs in another order", "link: the programs in another order"}},
		{"attaches nothing", attaching(func(*fake.Kernel, mprog.AttachRequest) error { return nil }),
			"attach/order", []string{"as if the call were not made (attach)"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			all, err := conformance.Load(nkconform.Scenarios())
			require.NoError(t, err)
			all, err = conformance.Select(all, strings.Fields(tc.patterns)...)
			require.NoError(t, err)
			var failed []conformance.Failing
			var passed []conformance.Scenario
			for _, s := range all {
				switch r := conformance.Run(tc.open(fake.Lacking(s.Trace)...), s); r.Status {
				case conformance.Failed:
					failed = append(failed, conformance.Failing{Scenario: s, Failure: r.Failure})
				case conformance.Passed:
					passed = append(passed, s)
				}
			}
			t.Log(conformance.Summary(failed, passed))
			var got []string
			count := 0
			for _, g := range conformance.Groups(failed, passed) {
				got = append(got, g.What)
				count += len(g.Failing)
				assert.True(t, slices.IsSortedFunc(g.Failing, func(a, b conformance.Failing) int { return a.Lines() - b.Lines() }))
			}
			assert.Equal(t, tc.want, got)
			assert.Equal(t, len(failed), count, "every failure is in one group")
		})
	}
}

func TestGroupsByDifference(t *testing.T) {
	for _, tc := range []struct{ statement, expected, came, want string }{
		{"attach nk0:primary b", "= revision 3 [a b]", "= revision 3 [a]", "attach: a program is missing on the hook"},
		{"attach nk0:primary b", "= revision 3 [b]", "= revision 3 [a b]", "attach: a program too many on the hook"},
		{"attach nk0:primary b", "= revision 3 [a b]", "= revision 3 [a c]", "attach: other programs on the hook"},
		{"attach nk0:primary b", "= revision 5 [p1..p4]", "= revision 5 [p1 p2 p4 p3]", "attach: the programs in another order"},
		{"link l nk0:primary b", "= revision 3 [a@l b]", "= revision 3 [a b@l]", "link: the same programs with other links"},
		{"detach nk0:primary b", "= revision 3 [a]", "= revision 4 [a]", "detach: another revision"},
		{"info l", "= type netkit id l", "= type tcx id l", "info: another answer"},
		{"attach nk0:primary a", "! ESTALE revision/stale", "! ESTALE cgroup/stale", "attach: another rule"},
		{"q: attach nk0:primary b", "! ENODEV", "= revision 2 [b]", "attach: ENODEV expected, success came"},
		{"attach nk0:primary b", "= revision 2 [b]", "! EPERM", "attach: success expected, EPERM came"},
		{"attach nk0:primary b", "! ESTALE", "! EAGAIN", "ESTALE expected, EAGAIN came"},
		{"query nk0:primary count=1", "! ENOSPC revision 3 [a]", "! ENOSPC revision 3 [b]", "query: other programs on the hook"},
		{"attach nk0:primary b", "= [a b] | = [b a] | ! EAGAIN", "! EPERM", "attach: success or EAGAIN expected, EPERM came"},
		{"attach nk0:primary b", "nk0:primary unchanged by a refusal: = revision 1 []", "= revision 2 [b]", "attach: a refusal changes the hook"},
		{"attach nk0:primary b", "nk0:peer unchanged by an untouched hook: = revision 1 []", "= revision 2 [b]", "attach: another hook changes"},
	} {
		f := conformance.Failing{Failure: &conformance.Failure{Line: 3, Statement: tc.statement, Expected: tc.expected, Came: tc.came}}
		assert.Equal(t, tc.want, conformance.Groups([]conformance.Failing{f}, nil)[0].What, "%s: %s", tc.expected, tc.came)
	}
	down := conformance.Failing{Failure: &conformance.Failure{Detail: "shut down: fd 17 is open"}}
	assert.Equal(t, "shut down: fd N is open", conformance.Groups([]conformance.Failing{down}, nil)[0].What)
}

func TestGeneral(t *testing.T) {
	for text, want := range map[string]string{
		"fd 7 is program id 0x2a, \"mine\"\nand more": "fd N is program id N, \"…\"",
		"Linux 6.16 has no single, nk0 neither":       "Linux 6.16 has no single, nk0 neither",
		"requires >= v6.7":                            "requires >= v6.7",
		"":                                            "",
	} {
		assert.Equal(t, want, conformance.General(text))
	}
}

// A mistake that would fail what has passed is none.
func TestGroupsAreHeldAgainstWhatPassed(t *testing.T) {
	all, err := conformance.Load(nkconform.Scenarios())
	require.NoError(t, err)
	all, err = conformance.Select(all, "detach/position/first-with-before", "detach/position/relative")
	require.NoError(t, err)
	var failed []conformance.Failing
	for _, s := range all {
		if r := conformance.Run(careless.New(), s); r.Status == conformance.Failed && strings.HasSuffix(s.ID, "tcx") {
			failed = append(failed, conformance.Failing{Scenario: s, Failure: r.Failure})
		}
	}
	require.Equal(t, "as if flags were left out (detach)", conformance.Groups(failed, nil)[0].What)
	for _, g := range conformance.Groups(failed, all[:1]) {
		require.NotContains(t, g.What, "flags were left out")
	}
}

// What fails on the fake alone is no library's mistake: the scenario is in the wrong.
func TestGroupsOfWrongScenarios(t *testing.T) {
	var failed []conformance.Failing
	for _, line := range []string{
		"attach nk0:primary b flags=before expected_revision=9 = revision 3 [b a]",
		"attach nk0:primary c flags=before expected_revision=9 = revision 3 [c a]",
	} {
		s := scenario(t, "attach nk0:primary a\n"+line+"\n")
		s.ID = "dir/" + strings.Fields(line)[2]
		r := conformance.Run(fake.New(), s)
		require.Equal(t, conformance.Failed, r.Status)
		failed = append(failed, conformance.Failing{Scenario: s, Failure: r.Failure})
	}
	require.Equal(t, "2 failures in 1 group:\n  2 scenarios: attach: success expected, ESTALE came; smallest: dir/b (6 lines)\n",
		conformance.Summary(failed, nil))
}
