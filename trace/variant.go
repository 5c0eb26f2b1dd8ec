package trace

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/mprog"
)

// A trace that begins with the statement "for" holds on hooks of several kinds. It is
// written for the first of them; [Variants] writes it for the others.

// hookKind is a kind of hooks that a trace can hold on.
type hookKind struct {
	word   string // in the statement
	suffix string // of a variant's name
	at     mprog.AttachType
}

var hookKinds = append([]hookKind{
	{"netkit-primary", "-primary", mprog.NetkitPrimary},
	{"netkit-peer", "-peer", mprog.NetkitPeer},
	{"tcx-ingress", "-tcx", mprog.TCXIngress},
	{"tcx-egress", "-tcx-egress", mprog.TCXEgress},
}, cgroupKinds()...)

// cgroupKinds are the hooks of cgroups, by the names that they have.
func cgroupKinds() (list []hookKind) {
	for at := range mprog.AttachType(64) {
		if at.Cgroup() {
			suffix := strings.ReplaceAll(strings.TrimPrefix(at.String(), "cgroup"), "_", "-")
			list = append(list, hookKind{at.String(), suffix, at})
		}
	}
	return list
}

// parseHookKind reads a kind of hooks.
func parseHookKind(s string) (hookKind, error) {
	i := slices.IndexFunc(hookKinds, func(k hookKind) bool { return k.word == s })
	if i < 0 {
		return hookKind{}, fmt.Errorf("expected a kind of hooks%s, found %q", oneOf(hookKindWords()), s)
	}
	return hookKinds[i], nil
}

func hookKindWords() (words []string) {
	for _, k := range hookKinds {
		words = append(words, k.word)
	}
	return words
}

// Variant is a trace for one kind of hooks.
type Variant struct {
	Suffix string // of its name; "" for the kind that it is written for
	Text   string
}

// Variants returns a trace for each kind of hooks that its statement "for" names: the
// text itself and, line by line, the same for the others. Without such a statement it is
// the text alone. What is no word of the language is left to [Parse] to complain of.
func Variants(text string) []Variant {
	list := []Variant{{Text: text}}
	var kinds []hookKind
	for line := range strings.Lines(text) {
		words, _, _ := strings.Cut(line, "#")
		if fields := strings.Fields(words); len(fields) > 0 {
			if fields[0] == "for" {
				for _, word := range fields[1:] {
					if k, err := parseHookKind(word); err == nil {
						kinds = append(kinds, k)
					}
				}
			}
			break
		}
	}
	for i := 1; i < len(kinds); i++ {
		list = append(list, Variant{kinds[i].suffix, rewrite(text, kinds[0], kinds[i])})
	}
	return list
}

// WithoutHook returns the id of a scenario's file: without what the kind of hooks is called
// at the end of the ids of its other cases.
func WithoutHook(id string) string {
	short := id
	for _, k := range hookKinds {
		if s, ok := strings.CutSuffix(id, k.suffix); ok && len(s) < len(short) {
			short = s
		}
	}
	return short
}

// rewrite writes a trace for another kind of hooks than it was written for.
func rewrite(text string, from, to hookKind) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		statement, comment := line, "\n"
		if i := strings.IndexAny(line, "#\n"); i >= 0 {
			statement, comment = line[:i], line[i:]
		}
		words := from.statement(to, strings.Fields(statement))
		b.WriteString(strings.Join(words, " "))
		if len(words) > 0 && comment != "\n" {
			b.WriteByte(' ')
		}
		b.WriteString(comment)
	}
	return b.String()
}

// statement writes the words of a statement for another kind of hooks.
func (from hookKind) statement(to hookKind, words []string) []string {
	switch {
	case len(words) == 0:
		return words
	case words[0] == "for":
		return []string{"for", to.word}
	case words[0] == "netkit" && to.at.TCX():
		return []string{"device", words[1]}
	}
	out := make([]string, len(words))
	for i, w := range words {
		if from.at.Cgroup() {
			out[i] = from.onCgroup(to, w)
		} else {
			out[i] = from.onDevice(to, words[max(i-1, 0)], w)
		}
	}
	if from.at.Cgroup() {
		return from.program(to, out)
	}
	return out
}

// onCgroup is one word of a statement about hooks of cgroups.
func (from hookKind) onCgroup(to hookKind, w string) string {
	if g, at, ok := strings.Cut(w, ":"); ok && at == from.word {
		return g + ":" + to.word
	}
	switch w {
	case from.word:
		return to.word
	case FormatProgType(from.at.CgroupProgType()):
		return FormatProgType(to.at.CgroupProgType())
	}
	return w
}

// other is the hook beside one: peer beside primary, egress beside ingress.
var other = map[mprog.AttachType]mprog.AttachType{
	mprog.NetkitPrimary: mprog.NetkitPeer, mprog.NetkitPeer: mprog.NetkitPrimary,
	mprog.TCXIngress: mprog.TCXEgress, mprog.TCXEgress: mprog.TCXIngress,
}

// onDevice is one word of a statement about hooks of devices, and the one before it: the
// hook itself, the one beside it, and the names of the family. A link at PEER is on the
// peer, whose ifindex it tells.
func (from hookKind) onDevice(to hookKind, before, w string) string {
	rename := func(s string) string {
		switch s {
		case from.at.String():
			return to.at.String()
		case other[from.at].String():
			return other[to.at].String()
		}
		return s
	}
	device, at, hooked := strings.Cut(w, ":")
	switch {
	case hooked && at != "":
		return device + ":" + rename(at)
	case before == "attach_type":
		return rename(w)
	case w == family(from.at):
		return family(to.at)
	case before == "ifindex" && from.at.Netkit() && to.at.Netkit():
		return ends[w]
	}
	return w
}

// ends are the names of a pair in traces for several kinds of hooks: the one for the other.
var ends = map[string]string{"nk0": "nk1", "nk1": "nk0", "0": "0"}

// family is what needs, devices and links are called by.
func family(at mprog.AttachType) string {
	if at.Netkit() {
		return "netkit"
	}
	return "tcx"
}

// program gives programs the type that a cgroup's hook takes, and the attach type that
// they are loaded for where the type has several.
func (from hookKind) program(to hookKind, words []string) []string {
	typed := slices.Index(words, "type="+FormatProgType(from.at.CgroupProgType()))
	if words[0] != "prog" || typed < 0 {
		return words
	}
	out := slices.Clone(words)
	out[typed] = "type=" + FormatProgType(to.at.CgroupProgType())
	if i := slices.Index(out, "expected_attach_type="+from.word); i >= 0 {
		out[i] = "expected_attach_type=" + to.word
	}
	stated := slices.ContainsFunc(out, func(w string) bool { return strings.HasPrefix(w, "expected_attach_type=") })
	if to.at.CgroupProgType() != mprog.CgroupSKB && !stated {
		end := slices.IndexFunc(out, func(w string) bool { return w == "=" || w == "!" || w == "?" })
		if end < 0 {
			end = len(out)
		}
		out = slices.Insert(out, end, "expected_attach_type="+to.word)
	}
	return out
}
