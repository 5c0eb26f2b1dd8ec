package lockstep

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// Random traces about hooks of cgroups. They are made up without a look at the answers:
// three cgroups, one in the other, and few programs meet often enough.

// cgroupStage is what each of them begins with.
const cgroupStage = `need cgroup cgroup-mprog
cgroup g
cgroup c parent=g
cgroup d parent=c
prog a b e f p q type=cgroup_skb return=1
prog x type=xdp
prog s type=cgroup_sysctl return=1
`

// cgroupTrace makes up one trace.
type cgroupTrace struct {
	*rand.Rand
	b     strings.Builder
	links int
	// preorder is whether the flag PREORDER is in the trace; then no link is updated: some
	// kernels (6.18.15, 7.0.13) put the new program in another one's place among the
	// effective ones there, and the old one runs on when it may be gone.
	preorder bool
	modes    []string // that attachments mostly have
}

// CgroupTrace makes up a trace of so many statements behind its stage. The same seed and
// number make the same.
func CgroupTrace(seed, number uint64, steps int) string {
	t := &cgroupTrace{Rand: rand.New(rand.NewPCG(seed, number))}
	t.preorder = t.IntN(2) == 0
	t.modes = [][]string{{"multi"}, {"multi"}, {"multi"}, {"override", "multi"}, {"0", "override", "multi"}}[t.IntN(5)]
	t.b.WriteString(cgroupStage)
	for range steps {
		t.b.WriteString(t.statement() + "\n")
	}
	return t.b.String()
}

func oneOf[T any](t *cgroupTrace, list ...T) T { return list[t.IntN(len(list))] }

func (t *cgroupTrace) chance(percent int) bool { return t.IntN(100) < percent }

func (t *cgroupTrace) hook() string {
	g := oneOf(t, "g", "g", "c", "c", "d")
	if t.chance(3) {
		g = oneOf(t, "9999", "a", "1")
	}
	at := oneOf(t, "cgroup_inet_ingress", "cgroup_inet_ingress", "cgroup_inet_ingress", "cgroup_inet_egress")
	if t.chance(2) {
		at = "cgroup_sysctl"
	}
	return g + ":" + at
}

func (t *cgroupTrace) prog() string {
	if t.chance(4) {
		return oneOf(t, "x", "s", "g", "9999", "0")
	}
	return oneOf(t, "a", "b", "e", "f", "p", "q")
}

// link names one of the last links, which may never have been made.
func (t *cgroupTrace) link() string {
	if t.links == 0 || t.chance(3) {
		return t.prog()
	}
	return fmt.Sprintf("l%d", t.links-t.IntN(min(t.links, 5)))
}

// place makes up flags and keys that say where.
func (t *cgroupTrace) place(mode string, ofLink bool) string {
	flags, keys := []string{mode}, ""
	if t.preorder && t.chance(30) {
		flags = append(flags, "preorder")
	}
	switch n := t.IntN(20); {
	case n < 7:
	case n < 10:
		flags = append(flags, oneOf(t, "before", "after"))
	case n < 18:
		flags = append(flags, oneOf(t, "before", "after"))
		if ofLink != t.chance(5) {
			flags = append(flags, "link")
		}
		if t.chance(40) {
			flags = append(flags, "id")
		}
		keys = t.relative(flags)
	default:
		for _, f := range []string{"before", "after", "id", "link", "override", "multi", "replace", "0x80"} {
			if t.chance(25) {
				flags = append(flags, f)
			}
		}
		if t.chance(50) {
			keys = t.relative(flags)
		}
	}
	if t.chance(8) {
		keys += fmt.Sprintf(" expected_revision=%d", 1+t.IntN(8))
	}
	return " flags=" + strings.Join(flags, "+") + keys
}

// relative names what the flags say. An id is one of what they say, too: a program's may be
// that of a link on one side and not on the other.
func (t *cgroupTrace) relative(flags []string) string {
	link, id := slices.Contains(flags, "link"), slices.Contains(flags, "id")
	switch {
	case id && link && t.links == 0:
		return " relative_id=0"
	case id && link:
		return fmt.Sprintf(" relative_id=l%d", t.links-t.IntN(min(t.links, 5)))
	case id:
		return " relative_id=" + oneOf(t, "a", "b", "e", "f", "p", "q", "x", "0")
	case link:
		return " relative_fd=" + t.link()
	}
	return " relative_fd=" + t.prog()
}

func (t *cgroupTrace) statement() string {
	switch n := t.IntN(100); {
	case n < 30:
		return "attach " + t.hook() + " " + t.prog() + t.place(oneOf(t, t.modes...), false)
	case n < 37:
		return "attach " + t.hook() + " " + t.prog() + " flags=multi+replace replace_bpf_fd=" + t.prog()
	case n < 52:
		s := fmt.Sprintf("link l%d %s %s%s", t.links+1, t.hook(), t.prog(), t.place("0", true))
		t.links++ // which is declared by now
		return s
	case n < 67:
		s := "detach " + t.hook()
		if !t.chance(10) {
			s += " " + t.prog()
		}
		if t.chance(5) {
			s += oneOf(t, " flags=before", " flags=multi", " relative_fd=a", " expected_revision=3")
		}
		return s
	case n < 74 && !t.preorder:
		return "link-update " + t.link() + " " + t.prog() + oneOf(t, "", "", " flags=replace old_prog_fd="+t.prog(), " old_prog_fd="+t.prog())
	case n < 77:
		return "link-detach " + t.link()
	case n < 80 && t.links > 0:
		return fmt.Sprintf("close l%d", t.links-t.IntN(min(t.links, 5)))
	case n < 84 && t.links > 0:
		return "info " + t.link()
	case n < 85:
		return "cgroup-remove " + oneOf(t, "d", "c", "g")
	}
	return "query " + t.hook() + oneOf(t, "", " query_flags=1", " query_flags=1", " query_flags=1", " count=1", " prog_attach_flags=array",
		" query_flags=1 count=2", " query_flags=1 prog_attach_flags=array", " query_flags=2", " count=0")
}

// CompareTrace plays a trace on an environment of each backend, and returns it with the
// answers of both, and how many statements succeeded. They are the same if the environments
// agree.
func CompareTrace(a, b Backend, name, text string) (answers [2]string, succeeded int, err error) {
	f, err := trace.Parse(name, text)
	if err != nil {
		return answers, 0, err
	}
	for i, backend := range []Backend{a, b} {
		recorded, err := recordOn(backend, f)
		if err != nil {
			return answers, 0, fmt.Errorf("%s: %w", backend.Name, err)
		}
		if answers[i] = recorded.String(); i == 0 {
			for _, s := range recorded.Statements() {
				if s.Verb != "need" && len(s.Answer.Outcomes) == 0 || len(s.Answer.Outcomes) > 0 && s.Answer.Outcomes[0].Errno == 0 {
					succeeded++
				}
			}
		}
	}
	return answers, succeeded, nil
}

// recordOn records a trace where the environment's calls are quick.
func recordOn(b Backend, f *trace.File) (recorded *trace.File, err error) {
	env, err := b.New()
	if err != nil {
		return nil, err
	}
	record := func() { recorded, err = conformance.Record(env, f) }
	if r, ok := env.(mprog.Runner); ok {
		if runErr := r.Run(record); runErr != nil {
			err = errors.Join(err, runErr)
		}
	} else {
		record()
	}
	return recorded, errors.Join(err, env.Shutdown())
}
