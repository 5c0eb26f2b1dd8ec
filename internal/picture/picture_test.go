package picture_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform"
	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/internal/picture"
	"github.com/nkconform/nkconform/trace"
)

// Every scenario of the suite has a picture, whose answers are those that it expects,
// and whose lists are those that a query tells.
func TestScenarios(t *testing.T) {
	list, err := conformance.Load(nkconform.Scenarios())
	require.NoError(t, err)
	refused, changed, ran, way := 0, 0, 0, 0
	for _, sc := range list {
		s := picture.New(fake.Lacking(sc.Trace)...)
		for line := range strings.Lines(sc.Trace.String()) {
			step, err := s.Do(strings.TrimSuffix(line, "\n"))
			require.NoError(t, err, "%s: %s", sc.ID, line)
			if st := step.Line.Statement; st != nil {
				require.True(t, st.Answer.Matches(step.Came), "%s: %s: %s", sc.ID, line, step.Answer)
				require.Equal(t, step.Came.Errno != 0, step.Refusal != nil, "%s: %s", sc.ID, line)
			}
			if step.Refusal != nil {
				refused++
				require.Empty(t, step.Changes, "%s: %s", sc.ID, line)
				require.NotEmpty(t, step.Refusal.Text, "%s: %s", sc.ID, line)
			}
			for _, c := range step.Changes {
				changed++
				if h := step.State.Hook(c.Hook); h != nil && step.Came.Listed && h.Cgroup != "" && !c.Runs && slices.Contains(step.Line.Statement.Operands, c.Hook) {
					require.Equal(t, programs(trace.ExpandList(step.Came.List)), programs(entries(c.After)), "%s: %s", sc.ID, line)
				} else if h != nil && h.Cgroup == "" && step.Came.Listed && !c.Filters && len(step.Changes) == 1 {
					require.True(t, slices.Equal(trace.ExpandList(step.Came.List), entries(c.After)), "%s: %s", sc.ID, line)
				}
			}
			// What runs in a cgroup is what a query of the effective programs tells.
			if st := step.Line.Statement; st != nil && st.Verb == "query" && step.Came.Listed && step.Came.Errno == 0 {
				how, _ := st.Param("query_flags")
				if h := step.State.Hook(st.Operands[0]); h != nil && h.Cgroup != "" && how == "1" && len(st.Params) == 1 {
					require.Equal(t, programs(trace.ExpandList(step.Came.List)), programs(entries(h.Runs)), "%s: %s", sc.ID, line)
					ran++
				}
			}
			// The stops of a datagram have run what the answer tells.
			if p := step.Packet; p != nil && p.Datagram {
				var list []picture.Entry
				for _, s := range p.Stops {
					list = append(list, s.Ran...)
				}
				require.Equal(t, programs(trace.ExpandList(step.Came.List)), programs(entries(list)), "%s: %s", sc.ID, line)
				require.Equal(t, p.Delivered, len(p.Stops) == 0 || !p.Stops[len(p.Stops)-1].Ended, "%s: %s", sc.ID, line)
				way++
			}
		}
	}
	require.Greater(t, refused, 500)
	require.Greater(t, changed, 1000)
	require.Greater(t, ran, 50)
	require.Greater(t, way, 20)
}

// programs are those of a list, whatever links own them: of cgroups no answer tells that.
func programs(list []trace.Entry) (names []string) {
	for _, e := range list {
		names = append(names, e.Prog)
	}
	return names
}

func entries(list []picture.Entry) []trace.Entry {
	out := []trace.Entry{}
	for _, e := range list {
		out = append(out, trace.Entry{Prog: e.Prog, Link: e.Link})
	}
	return out
}

// play plays lines, which must be right, and returns the last one's picture.
func play(t *testing.T, lines ...string) string {
	t.Helper()
	s := picture.New()
	last := ""
	for _, l := range lines {
		step, err := s.Do(l)
		require.NoError(t, err, l)
		last = strings.Join(strings.Fields(picture.Style{}.Text(&step)), " ")
	}
	return last
}

func TestText(t *testing.T) {
	pair := []string{"netkit nk0 nk1", "prog a b c p1..p63", "prog d return=2"}
	for _, tc := range []struct {
		name, lines, want string
	}{
		{"append", "attach nk0:primary a", "[] → [*a] 1→2"},
		{"a peer's hook is named by the primary", "link l nk0:peer a; close l", "nk0:peer [-a@l] → [] 2→3, a query says 1"},
		{"replace", "attach nk0:primary a; attach nk0:primary b flags=replace replace_bpf_fd=a", "[-a] → [*b] 2→3"},
		{"update by itself", "link l nk0:primary a; link-update l a", "= revision 2 [a@l]"},
		{"refusal", "attach nk0:primary a expected_revision=7", "! ESTALE A nonzero expected_revision must be the hook's revision. (revision/stale)"},
		{"refusal that writes", "attach nk0:primary a; attach nk0:primary b; query nk0:primary count=1", "! ENOSPC revision 3 count 2 [a] An array too short gets the first entries and the full count. (query/no-space)"},
		{"full", "attach nk0:primary p1..p63; detach nk0:primary p1", "[-p1 p2 p3 p4 p5 … 53 more … p59 p60 p61 p62 p63] → [p2 p3 p4 p5 p6 … 52 more … p59 p60 p61 p62 p63] 64→65"},
		{"tcx starts anew", "device v; attach v:ingress a; detach v:ingress a", "[-a] → [] 2→1"},
		{"device with two lists", "link l nk0:primary a; attach nk0:peer b; delete nk1", "nk0:primary [-a@l] → gone with its device nk0:peer [-b] → gone with its device"},
		{"dropped", "attach nk0:primary d; send nk0", "= packet dropped [d]: ended at nk0:primary: d returned 2 (DROP)"},
		{"blackhole", "netkit x y policy=blackhole; send x", "= packet dropped []: ended at x:primary: no program is there, and the device's policy is blackhole"},
		{"on the way in", "attach nk1:ingress d; send nk0", "= packet dropped [d]: ended at nk1:ingress: d returned 2 (DROP)"},
		{"nothing to show", "prog z", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			lines := append(append([]string{}, pair...), strings.Split(tc.lines, "; ")...)
			got := play(t, lines...)
			last := strings.Join(strings.Fields(lines[len(lines)-1]), " ")
			require.Equal(t, strings.TrimSpace(last+" "+tc.want), got)
		})
	}
}

// A wrong line changes nothing and marks its place.
func TestMistake(t *testing.T) {
	s := picture.New()
	_, err := s.Do("netkit nk0 nk1")
	require.NoError(t, err)
	before := s.State()
	_, err = s.Do("attach nk0:primary z")
	var mistake *trace.Error
	require.ErrorAs(t, err, &mistake)
	require.Equal(t, "attach nk0:primary z\n                   ^ no program or link is called \"z\"", picture.Style{}.Mistake("attach nk0:primary z", mistake))
	require.Equal(t, before, s.State())
	_, err = s.Do("send 77")
	require.NoError(t, err)
}
