package trace

import (
	"slices"
	"sort"
	"strings"

	"github.com/nkconform/nkconform/mprog"
)

// Complete returns the words that may stand at the end of a line that has begun, each
// whole, in the order of the alphabet, and where the word begins that they would take
// the place of, in bytes. Numbers and new names are not among them.
func (r *Reader) Complete(line string) (words []string, start int) {
	scanned, comment := scanLine(nil, line)
	if comment != "" {
		return nil, len(line)
	}
	begun := word{col: len(line) + 1}
	if n := len(scanned); n > 0 && !strings.HasSuffix(line, " ") && !strings.HasSuffix(line, "\t") {
		begun, scanned = scanned[n-1], scanned[:n-1]
	}
	if len(scanned) > 0 && strings.HasSuffix(scanned[0].text, ":") {
		scanned = scanned[1:] // a process
	}
	all, prefix := r.candidates(scanned, begun.text)
	sort.Strings(all)
	for _, w := range slices.Compact(all) {
		if strings.HasPrefix(w, begun.text[len(prefix):]) {
			words = append(words, prefix+w)
		}
	}
	return words, begun.col - 1
}

// candidates are the words that may follow others, behind what is begun of the word and
// stays as it is.
func (r *Reader) candidates(before []word, begun string) (words []string, stays string) {
	if len(before) == 0 {
		return append(keys(verbs), r.known(newProcess, ":")...), ""
	}
	v, ok := verbs[before[0].text]
	if !ok || slices.ContainsFunc(before, isAnswer) {
		return nil, ""
	}
	operands, params := 0, []string{}
	for _, w := range before[1:] {
		if key, _, isParam := strings.Cut(w.text, "="); isParam {
			params = append(params, key)
		} else {
			operands++
		}
	}
	if key, value, isParam := strings.Cut(begun, "="); isParam {
		stays := key + "="
		if v.params[key] == flags {
			stays += value[:strings.LastIndexAny(value, "+|,")+1]
		}
		return r.of(v.params[key]), stays
	}
	if len(params) == 0 && (operands < len(v.operands) || v.repeated) {
		words = r.of(v.operands[min(operands, len(v.operands)-1)])
	}
	if operands >= len(v.operands)-v.optional {
		for key := range v.params {
			if !slices.Contains(params, key) {
				words = append(words, key+"=")
			}
		}
	}
	return words, ""
}

// of lists the words that a kind has.
func (r *Reader) of(k kind) (words []string) {
	switch k {
	case device:
		return r.known(newDevice, "")
	case hook:
		for _, at := range []mprog.AttachType{mprog.NetkitPrimary, mprog.NetkitPeer, mprog.TCXIngress, mprog.TCXEgress} {
			words = append(words, r.known(newDevice, ":"+at.String())...)
		}
		for at := range mprog.AttachType(64) {
			if at.Cgroup() {
				words = append(words, r.known(newCgroup, ":"+at.String())...)
			}
		}
		return words
	case cgroup:
		return r.known(newCgroup, "")
	case fd, fds, id:
		return slices.Concat(r.known(newProg, ""), r.known(newLink, ""), r.known(newObject, ""))
	case netns:
		return r.known(newNetns, "")
	case process:
		return r.known(newProcess, "")
	case path:
		return []string{mprog.BPFFS + "/"}
	case feature:
		for _, f := range mprog.Features {
			words = append(words, string(f))
		}
		return words
	}
	return map[kind][]string{
		flags: {"replace", "before", "after", "id", "link", "override", "multi", "preorder"},
		mode:  {"l2", "l3"}, policy: {"forward", "blackhole"}, capabilities: {"net_admin", "sys_admin", "perfmon", "bpf"},
		progType: keys(progTypes), null: {"null"}, array: {"array"}, qdiscKind: {"clsact", "ingress"},
		hooks:   hookKindWords(),
		nlFlags: {"create", "excl", "replace", "append"},
	}[k]
}

// known lists what has been declared of a kind, each with something behind.
func (r *Reader) known(k kind, behind string) (words []string) {
	for name, declared := range r.p.declared {
		if declared == k {
			words = append(words, name+behind)
		}
	}
	return words
}
