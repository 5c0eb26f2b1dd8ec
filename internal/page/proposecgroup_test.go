package page

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Things that are put into a cgroup's list become the calls that do it there: with the
// mode that the hook has, beside a neighbour of the same sort.
func TestDropInCgroup(t *testing.T) {
	const hook = "g:cgroup_inet_ingress"
	many := []string{"attach g:cgroup_inet_ingress a flags=multi", "link l g:cgroup_inet_ingress b", "attach g:cgroup_inet_ingress c flags=multi+preorder"}
	for _, tc := range []struct {
		name  string
		stage []string
		pick  Pick
		place Place
		want  string
		list  string // what is there then, "": it is refused
	}{
		{"the first", nil, Pick{Prog: "d"}, Place{Hook: hook}, "flags=multi", "d"},
		{"the first, by id", nil, Pick{Prog: "d", ByID: true}, Place{Hook: hook}, "flags=multi", "d"},
		{"the first, in front", nil, Pick{Prog: "d", Preorder: true}, Place{Hook: hook}, "flags=multi+preorder", "d"},
		{"behind all", many, Pick{Prog: "d"}, Place{Hook: hook, Gap: 3}, "flags=multi", "a b@l c d"},
		{"in front of all", many, Pick{Prog: "d"}, Place{Hook: hook}, "flags=multi+before", "d a b@l c"},
		{"beside a program", many, Pick{Prog: "d"}, Place{Hook: hook, Gap: 1}, "flags=multi+after relative_fd=a", "a d b@l c"},
		{"before one with PREORDER", many, Pick{Prog: "d", Preorder: true}, Place{Hook: hook, Gap: 2}, "flags=multi+preorder+before relative_fd=c", "a b@l d c"},
		{"by id", many, Pick{Prog: "d", ByID: true}, Place{Hook: hook}, "flags=multi+before+id relative_id=a", "d a b@l c"},
		{"beside none of its sort", many, Pick{Prog: "d"}, Place{Hook: hook, Gap: 2}, "flags=multi+before relative_fd=c", ""},
		{"in its place", many, Pick{Prog: "d"}, Place{Hook: hook, Over: true}, "flags=multi+replace replace_bpf_fd=a", "d b@l c"},
		{"one alone", []string{"attach g:cgroup_inet_ingress a"}, Pick{Prog: "d"}, Place{Hook: hook, Over: true}, "", "d"},
		{"one alone, beside it", []string{"attach g:cgroup_inet_ingress a flags=override"}, Pick{Prog: "d"}, Place{Hook: hook, Gap: 1}, "flags=override", "d"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := opened(t, State{Said: append([]string{"cgroup g", "prog a b c d type=cgroup_skb"}, tc.stage...)})
			a.Do(Action{Do: "drop", Pick: tc.pick, Place: tc.place})
			v := a.View()
			require.Equal(t, strings.TrimSpace("attach "+hook+" d "+tc.want), v.Now.Text)
			if tc.list == "" {
				require.Equal(t, "cgroup/preorder", v.Now.Refusal.Rule)
				return
			}
			require.Nil(t, v.Now.Refusal)
			require.True(t, listMatches("["+tc.list+"]", entriesOf(a.current().Hook(hook).Entries)), "%v", a.current().Hook(hook))
		})
	}
	a := opened(t, State{Said: append([]string{"cgroup g", "prog a b c d type=cgroup_skb"}, many...)})
	a.Do(Action{Do: "drop", Pick: Pick{Prog: "d", ByLink: true}, Place: Place{Hook: hook, Gap: 1}})
	require.Equal(t, "link l1 g:cgroup_inet_ingress d flags=before+link relative_fd=l", a.View().Now.Text)
	require.Nil(t, a.View().Now.Refusal)
	a.Do(Action{Do: "drop", Pick: Pick{Prog: "a", Hook: hook}, Place: Place{Off: true}})
	require.Equal(t, "detach g:cgroup_inet_ingress a", a.View().Now.Text)
	require.Equal(t, "[d@l1 b@l c]", "["+strings.Join(words(a, hook), " ")+"]")
	a.Do(Action{Do: "say", Text: "cgroup-remove g"})
	require.True(t, a.View().Now.Changes[0].Deleted)
	require.Empty(t, a.View().Cgroups)
	require.Empty(t, a.View().Links[0].Hook)
}

func words(a *App, hook string) (list []string) {
	for _, e := range entriesOf(a.current().Hook(hook).Entries) {
		list = append(list, e.String())
	}
	return list
}
