package page

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/conformance/lockstep"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/internal/picture"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

func opened(t testing.TB, s State) *App {
	a, err := Open(s.String())
	require.NoError(t, err)
	return a
}

// Every lesson is a trace that the kernel answers as it expects; its task is not done
// by the stage, and is done by the solution, by the last statement of it alone.
func TestLessons(t *testing.T) {
	require.Len(t, Lessons, 11)
	files, err := lessonFiles.ReadDir("lessons")
	require.NoError(t, err)
	for i, l := range Lessons {
		t.Run(l.ID, func(t *testing.T) {
			text, err := lessonFiles.ReadFile("lessons/" + files[i].Name())
			require.NoError(t, err)
			s, err := conformance.Parse(files[i].Name(), string(text))
			require.NoError(t, err)
			r := conformance.Run(fake.New(), s)
			require.Equal(t, conformance.Passed, r.Status, "%v", r.Failure)

			require.NotEmpty(t, l.Text)
			require.NotEmpty(t, l.Task)
			require.NotEmpty(t, l.Goals)
			a := opened(t, State{Lesson: l.ID})
			require.Equal(t, len(l.Stage), a.View().At)
			for n, line := range l.Solution {
				require.False(t, a.View().Lesson.Done, "done before %q", line)
				a.Do(Action{Do: "say", Text: line})
				require.Nil(t, a.View().Mistake, line)
				require.Equal(t, n == len(l.Solution)-1, a.View().Lesson.Done, "after %q: %+v", line, a.View().Lesson.Goals)
			}
			require.Equal(t, []string{l.ID}, a.State.Done)
		})
	}
}

// What was said on the page gets the fake's own answers.
func TestRandomStatements(t *testing.T) {
	same := lockstep.Backend{Name: "fake", New: func() (mprog.Environment, error) { return fake.New(), nil }}
	tester, err := lockstep.New(same, same)
	require.NoError(t, err)
	defer func() { require.NoError(t, tester.Close()) }()
	tester.Fresh = true
	said := 0
	for n := range uint64(40) {
		_, err := tester.Random(7, n, 40)
		require.NoError(t, err)
		text, err := tester.Record(tester.Last(), "# Anything.")
		require.NoError(t, err)
		f, err := trace.Parse("random", text)
		require.NoError(t, err)
		a := opened(t, State{})
		for _, s := range f.Statements() {
			a.Do(Action{Do: "say", Text: s.Call()})
			v := a.View()
			require.Nil(t, v.Mistake, s.Call())
			require.Equal(t, s.Answer.String(), v.Now.Answer, "%s\n%s", s.Call(), text)
			said++
		}
		// A link to this state leads to it.
		again, err := Open(a.State.String())
		require.NoError(t, err)
		before, after := a.View(), again.View()
		before.Moved = false
		require.Equal(t, before, after)
	}
	require.Greater(t, said, 1000)
}

// So do statements about hooks of cgroups.
func TestRandomStatementsOfCgroups(t *testing.T) {
	for n := range uint64(10) {
		s, said := picture.New(), "" // but for links that were never made, which nobody can name
		for line := range strings.Lines(lockstep.CgroupTrace(7, n, 60)) {
			if _, err := s.Do(strings.TrimSpace(line)); err == nil {
				said += line
			}
		}
		f, err := trace.Parse("random", said)
		require.NoError(t, err)
		f, err = conformance.Record(fake.New(), f)
		require.NoError(t, err)
		a := opened(t, State{})
		for _, s := range f.Statements() {
			if s.Verb == "need" {
				continue
			}
			a.Do(Action{Do: "say", Text: s.Call()})
			v := a.View()
			require.Nil(t, v.Mistake, s.Call())
			require.Equal(t, s.Answer.String(), v.Now.Answer, "%s\n%s", s.Call(), f)
		}
	}
}

// A wrong statement marks its place; what was said before it is played, what is behind
// it is kept, and nothing is lost.
func TestMistake(t *testing.T) {
	a := opened(t, State{Lesson: "first"})
	a.Do(Action{Do: "say", Text: "attach nk0:primary a\nattach nk0:primary zz\nsend nk0"})
	v := a.View()
	require.Equal(t, &Mistake{"attach nk0:primary zz\nsend nk0", 20, `no program or link is called "zz": expected one of a`}, v.Mistake)
	require.Equal(t, "attach nk0:primary a", v.Now.Text)

	a.Do(Action{Do: "back"})
	a.Do(Action{Do: "back"})
	before := a.State
	a.Do(Action{Do: "say", Text: "nonsense"})
	require.NotNil(t, a.View().Mistake)
	require.Equal(t, before, a.State)
	a.Do(Action{Do: "forth"})
	require.Equal(t, "send nk0", a.View().Now.Text)
	require.True(t, a.View().Moved)
	a.Do(Action{Do: "say", Text: "veth v0 v1\nsend v0"})
	require.Contains(t, a.View().Mistake.Reason, "unsupported")
}

// Things that are put somewhere become the calls that do it.
func TestDrop(t *testing.T) {
	for _, tc := range []struct {
		name  string
		pick  Pick
		place Place
		want  string // statements, or what is said instead
		list  string
	}{
		{"behind all", Pick{Prog: "c"}, Place{Hook: "nk0:primary", Gap: 2}, "attach nk0:primary c", "a b@l c"},
		{"in front of all", Pick{Prog: "c"}, Place{Hook: "nk0:primary"}, "attach nk0:primary c flags=before", "c a b@l"},
		{"between", Pick{Prog: "c"}, Place{Hook: "nk0:primary", Gap: 1}, "attach nk0:primary c flags=before relative_fd=b", "a c b@l"},
		{"between, after", Pick{Prog: "c", After: true}, Place{Hook: "nk0:primary", Gap: 1}, "attach nk0:primary c flags=after relative_fd=a", "a c b@l"},
		{"in front, after", Pick{Prog: "c", After: true}, Place{Hook: "nk0:primary"}, "attach nk0:primary c flags=before", "c a b@l"},
		{"behind, after", Pick{Prog: "c", After: true}, Place{Hook: "nk0:primary", Gap: 2}, "attach nk0:primary c flags=after", "a b@l c"},
		{"by id", Pick{Prog: "c", ByID: true}, Place{Hook: "nk0:primary"}, "attach nk0:primary c flags=before+id relative_id=a", "c a b@l"},
		{"by id, after", Pick{Prog: "c", ByID: true, After: true}, Place{Hook: "nk0:primary", Gap: 2}, "attach nk0:primary c flags=after+id relative_id=b", "a b@l c"},
		{"by a link", Pick{Prog: "c", ByLink: true}, Place{Hook: "nk0:primary", Gap: 1}, "link l1 nk0:primary c flags=before relative_fd=b", "a c@l1 b@l"},
		{"in its place", Pick{Prog: "c"}, Place{Hook: "nk0:primary", Over: true}, "attach nk0:primary c flags=replace replace_bpf_fd=a", "c b@l"},
		{"in a link's place", Pick{Prog: "c"}, Place{Hook: "nk0:primary", Gap: 1, Over: true}, "link-update l c", "a c@l"},
		{"onto a link", Pick{Prog: "c"}, Place{Link: "l"}, "link-update l c", "a c@l"},
		{"moved", Pick{Prog: "a", Hook: "nk0:primary"}, Place{Hook: "nk0:primary", Gap: 2}, "detach nk0:primary a; attach nk0:primary a", "b@l a"},
		{"off", Pick{Prog: "a", Hook: "nk0:primary"}, Place{Off: true}, "detach nk0:primary a", "b@l"},
		{"a link's off", Pick{Prog: "b", Link: "l", Hook: "nk0:primary"}, Place{Off: true}, "link-detach l", "a"},
		{"a link closed", Pick{Link: "l"}, Place{Off: true}, "close l", "a"},
		{"a link elsewhere", Pick{Link: "l"}, Place{Hook: "nk0:peer"}, "! a link stays where it was made", "a b@l"},
		{"no such place", Pick{Prog: "c"}, Place{Hook: "nk0:primary", Gap: 3}, "! nk0:primary has no such place any more", "a b@l"},
		{"no such hook", Pick{Prog: "c"}, Place{Hook: "nk7:primary"}, "! there is no hook nk7:primary any more", "a b@l"},
		{"on an empty hook", Pick{Prog: "c", After: true, ByID: true}, Place{Hook: "nk0:peer"}, "attach nk0:peer c", "a b@l"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			stage := []string{"netkit nk0 nk1", "prog a b c", "attach nk0:primary a", "link l nk0:primary b"}
			a := opened(t, State{Said: stage})
			a.Do(Action{Do: "drop", Pick: tc.pick, Place: tc.place})
			if said, ok := strings.CutPrefix(tc.want, "! "); ok {
				require.Contains(t, a.View().Note, said)
				require.Len(t, a.State.Said, len(stage))
			} else {
				require.Equal(t, tc.want, strings.Join(a.State.Said[len(stage):], "; "))
				require.Nil(t, a.View().Now.Refusal)
			}
			require.True(t, listMatches("["+tc.list+"]", entriesOf(a.current().Hook("nk0:primary").Entries)), "%v", a.current().Hook("nk0:primary"))
		})
	}
}

// What somebody sends as a link is checked.
func TestLinks(t *testing.T) {
	for _, link := range []string{"?", "AAAA", "aGVsbG8", State{Release: "9.9"}.String(), State{Said: []string{"nonsense"}}.String(), State{Release: "6.1", Lesson: "first"}.String()} {
		a, err := Open(link)
		require.Error(t, err, link)
		require.NotNil(t, a.View().Releases)
		a.Do(Action{Do: "say", Text: "prog a"})
		require.Nil(t, a.View().Mistake)
	}
	a := opened(t, State{Lesson: "nothing", Back: 99, Said: []string{"prog a"}})
	require.Zero(t, a.View().At)
	require.Nil(t, a.View().Lesson)
}

// The kernel's release and features are chosen, and what was said is played on it.
func TestRelease(t *testing.T) {
	a := opened(t, State{Said: []string{"prog a", "attach lo:ingress a"}})
	require.Nil(t, a.View().Now.Refusal)
	a.Do(Action{Do: "release", Text: "6.1"})
	require.Equal(t, "attach-type/unknown", a.View().Now.Refusal.Rule)
	require.Equal(t, "6.1", a.View().Release)
	a.Do(Action{Do: "release", Text: "7.3"})
	a.Do(Action{Do: "feature", Text: "tcx"})
	require.Equal(t, "attach-type/not-built", a.View().Now.Refusal.Rule)
	a.Do(Action{Do: "feature", Text: "tcx", Yes: true})
	require.Nil(t, a.View().Now.Refusal)
}

func FuzzOpen(f *testing.F) {
	f.Add(State{Lesson: "first", Said: []string{"send nk0"}}.String())
	f.Add("AA")
	f.Fuzz(func(t *testing.T, link string) {
		a, _ := Open(link)
		a.View()
	})
}

// A link is closed, pinned and updated by an fd that is open here, whatever it is called;
// where there is none, what is asked for is refused as for anybody.
func TestLinksOfOthers(t *testing.T) {
	a := opened(t, State{Lesson: "two-owners"})
	require.Nil(t, a.View().Links[0].Offers)
	require.Equal(t, []picture.Held{{Process: "other", FDs: []string{"m"}}}, a.View().Links[0].Held)
	a.Do(Action{Do: "drop", Pick: Pick{Prog: "a", Link: "m", Hook: "nk0:primary"}, Place: Place{Off: true}})
	require.Equal(t, "detach/owned-by-link", a.View().Now.Refusal.Rule)
	a.Do(Action{Do: "drop", Pick: Pick{Prog: "b"}, Place: Place{Hook: "nk0:primary", Over: true}})
	require.Equal(t, "replace/owned-by-link", a.View().Now.Refusal.Rule)
	a.Do(Action{Do: "drop", Pick: Pick{Prog: "b"}, Place: Place{Link: "m"}})
	require.Equal(t, "no fd of that link is open here", a.View().Note)

	a = opened(t, State{Lesson: "gone"})
	require.Equal(t, []Offer{{"close", "close m"}}, a.View().Links[0].Offers)
	a.Do(Action{Do: "drop", Pick: Pick{Prog: "b"}, Place: Place{Link: "l"}})
	require.Equal(t, "link-update/defunct", a.View().Now.Refusal.Rule)

	// A process has what it has inherited, too.
	a = opened(t, State{Said: []string{"netkit nk0 nk1", "prog a b", "link l nk0:primary a", "process q", "dup x l", "q: link y nk0:peer b"}})
	require.Equal(t, []picture.Held{{FDs: []string{"l", "x"}}, {Process: "q", FDs: []string{"l"}}}, a.View().Links[0].Held)
	require.Equal(t, []picture.Held{{Process: "q", FDs: []string{"y"}}}, a.View().Links[1].Held)
}
