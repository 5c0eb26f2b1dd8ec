package lockstep

import (
	"context"
	"fmt"
	"math/big"
	"regexp"
	"strings"
)

// Every trace of a small universe of cgroups: one cgroup and the one that it is in, three
// programs, and two links with programs of their own, so that a list tells who owns what.

// cgroupUniverse is what each trace begins with.
const cgroupUniverse = `need cgroup cgroup-mprog
cgroup g
cgroup c parent=g
prog a b e p q type=cgroup_skb return=1
`

// cgroupEnd asks for the state: of both hooks the programs, their flags, and what is effective.
const cgroupEnd = `query g:cgroup_inet_ingress
query g:cgroup_inet_ingress prog_attach_flags=array
query c:cgroup_inet_ingress
query c:cgroup_inet_ingress prog_attach_flags=array
query c:cgroup_inet_ingress query_flags=1
`

// cgroupState is a state of the hooks and the links, and the statements that led there first.
type cgroupState struct {
	key   string
	steps []string
	links [2]string // the names of the open links with p and q; "" for none
	made  int       // how many names of links have been used
	to    map[string]int
}

// CgroupDifference is a trace that two backends answer otherwise.
type CgroupDifference struct {
	Trace   string
	Answers [2]string
}

// ExhaustiveCgroups makes, from each state of the universe that up to so many steps lead to,
// every call once on both backends, and compares all answers and the states behind them. It
// ends with the first difference. The revision does not count for a state.
func ExhaustiveCgroups(ctx context.Context, a, b Backend, steps int, e *Enumeration) (*CgroupDifference, error) {
	all := map[string]*cgroupState{}
	start, _, err := visit(a, b, &cgroupState{}, "")
	if err != nil {
		return nil, err
	}
	all[start.key], e.States = start, []int{1}
	level := []*cgroupState{start}
	for depth := 1; depth <= steps; depth++ {
		var next []*cgroupState
		for _, s := range level {
			for _, call := range s.calls() {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				then, difference, err := visit(a, b, s, call)
				if err != nil || difference != nil {
					return difference, err
				}
				e.Transitions++
				s.to[then.key]++
				if all[then.key] == nil {
					all[then.key] = then
					next = append(next, then)
				}
			}
			if e.Progress != nil {
				e.Progress(*e)
			}
		}
		e.States = append(e.States, len(next))
		level = next
	}
	e.Traces = countTraces(start.key, steps, func(key string) map[string]int { return all[key].to })
	return nil, nil
}

// visit makes a call from a state on both backends; none, if it is "".
func visit(a, b Backend, s *cgroupState, call string) (*cgroupState, *CgroupDifference, error) {
	steps := append(s.steps[:len(s.steps):len(s.steps)], call)
	if call == "" {
		steps = nil
	}
	text := cgroupUniverse + strings.Join(append(steps, ""), "\n") + cgroupEnd
	then := &cgroupState{steps: steps, links: s.links, made: s.made, to: map[string]int{}}
	ends := cgroupEnd
	for _, name := range s.links {
		if name != "" {
			ends += "info " + name + "\n"
		}
	}
	made, closed, link := linkOf(call, s)
	if made {
		then.made++
	}
	answers, _, err := CompareTrace(a, b, "trace", strings.Replace(text, cgroupEnd, ends, 1))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", call, err)
	}
	if answers[0] != answers[1] {
		return nil, &CgroupDifference{text, answers}, nil
	}
	lines := strings.Split(strings.TrimSuffix(answers[0], "\n"), "\n")
	state := lines[len(lines)-strings.Count(ends, "\n"):]
	if call != "" {
		refused := strings.Contains(lines[len(lines)-len(state)-1], "! ")
		switch {
		case made && !refused:
			then.links[link] = fmt.Sprintf("l%d", then.made)
		case closed && !refused:
			then.links[link] = ""
		}
	}
	then.key = then.describe(state)
	return then, nil, nil
}

// linkOf says whether a call makes or closes a link, and which of the two.
func linkOf(call string, s *cgroupState) (makes, closes bool, n int) {
	words := strings.Fields(call)
	switch {
	case len(words) == 0:
	case words[0] == "link" && words[3] == "q":
		return true, false, 1
	case words[0] == "link":
		return true, false, 0
	case words[0] == "close" && words[1] == s.links[1]:
		return false, true, 1
	case words[0] == "close":
		return false, true, 0
	}
	return false, false, 0
}

var (
	cgroupRevision = regexp.MustCompile(`revision \d+`)
	linkNames      = regexp.MustCompile(`\bl\d+\b`)
)

// describe writes a state: what the queries answer, but for revisions, and the links by the
// program that they were made with.
func (s *cgroupState) describe(answers []string) string {
	text := cgroupRevision.ReplaceAllString(strings.Join(answers, "\n"), "")
	text = linkNames.ReplaceAllStringFunc(text, func(name string) string {
		for i, each := range s.links {
			if each == name {
				return "link of " + []string{"p", "q"}[i]
			}
		}
		return "no link"
	})
	return fmt.Sprintf("%s\n%t %t", text, s.links[0] != "", s.links[1] != "")
}

// calls are those that are made from a state.
func (s *cgroupState) calls() (list []string) {
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	for _, hook := range []string{"g:cgroup_inet_ingress", "c:cgroup_inet_ingress"} {
		for _, prog := range []string{"a", "b", "e"} {
			for _, mode := range []string{"0", "override", "override+preorder", "multi", "multi+preorder"} {
				add("attach %s %s flags=%s", hook, prog, mode)
				for _, place := range s.places("", "a", "b", "e") {
					add("attach %s %s flags=%s+%s", hook, prog, mode, place)
				}
			}
			for _, old := range []string{"a", "b", "e"} {
				add("attach %s %s flags=multi+replace replace_bpf_fd=%s", hook, prog, old)
			}
			add("attach %s %s flags=multi expected_revision=99", hook, prog)
			add("detach %s %s", hook, prog)
		}
		add("detach %s", hook)
		for i, prog := range []string{"p", "q"} {
			if s.links[i] != "" {
				continue
			}
			for _, order := range []string{"0", "preorder"} {
				add("link l%d %s %s flags=%s", s.made+1, hook, prog, order)
				for _, place := range s.places("link", s.links[1-i]) {
					add("link l%d %s %s flags=%s+%s", s.made+1, hook, prog, order, place)
				}
			}
		}
	}
	for _, name := range s.links {
		if name != "" {
			add("link-update %s a", name)
			add("link-detach %s", name)
			add("close %s", name)
		}
	}
	return list
}

// places are flags and relative objects of a kind.
func (s *cgroupState) places(kind string, relatives ...string) (list []string) {
	for _, place := range []string{"before", "after", "before+after"} {
		list = append(list, place)
		for _, r := range relatives {
			switch {
			case r == "":
			case kind != "":
				list = append(list, place+"+"+kind+" relative_fd="+r, place+"+"+kind+"+id relative_id="+r)
			default:
				list = append(list, place+" relative_fd="+r, place+"+id relative_id="+r)
			}
		}
	}
	return list
}

// countTraces counts the traces of up to so many steps that calls between states stand for.
func countTraces(start string, steps int, to func(key string) map[string]int) *big.Int {
	total, now := new(big.Int), map[string]*big.Int{start: big.NewInt(1)}
	for range steps {
		then := map[string]*big.Int{}
		for key, n := range now {
			for next, calls := range to(key) {
				if then[next] == nil {
					then[next] = new(big.Int)
				}
				then[next].Add(then[next], new(big.Int).Mul(n, big.NewInt(int64(calls))))
			}
		}
		for _, n := range then {
			total.Add(total, n)
		}
		now = then
	}
	return total
}
