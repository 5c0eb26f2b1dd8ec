package reproducer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// writer writes the function that plays a trace.
type writer struct {
	lines    []line
	declared []string            // variables
	read     map[string]bool     // by their names
	needs    map[string][]string // what a variable is set from
	idents   map[string]string   // by parts of names in C: the trace's
	links    map[string]bool
	hooks    map[string]string // of a link: its arguments
	objects  map[string]string // what a name stands for, by the first name of it
	pins     map[string]string // by path: the name of what is pinned
}

// line is one of the function. One that sets a variable is left out if nobody reads it.
type line struct{ text, sets string }

// function returns the definition of a function that plays a scenario.
func function(name string, s conformance.Scenario) (string, error) {
	w := &writer{read: map[string]bool{}, needs: map[string][]string{}, idents: map[string]string{},
		links: map[string]bool{}, hooks: map[string]string{}, objects: map[string]string{}, pins: map[string]string{}}
	for _, st := range s.Trace.Statements() {
		if err := w.statement(st); err != nil {
			return "", fmt.Errorf("line %d: %s: %w", st.Line, st.Call(), err)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "static void %s(void)\n{\n", name)
	for _, name := range slices.Clone(w.declared) {
		w.reads(name, false)
	}
	for _, name := range w.declared {
		if w.read[name] {
			fmt.Fprintf(&b, "\tuint32_t %s = %s;\n", name, initial(name))
		}
	}
	b.WriteString("\tlong r;\n\n")
	for _, l := range w.lines {
		if l.sets == "" || w.read[l.sets] {
			b.WriteString("\t" + l.text + "\n")
		}
	}
	b.WriteString("}\n")
	return b.String(), nil
}

// initial is what a variable is before something sets it.
func initial(name string) string {
	if strings.HasPrefix(name, "fd_") {
		return "-1"
	}
	return "0"
}

// reads notes that a variable is read, or, if it is known to be, what it needs.
func (w *writer) reads(name string, known bool) {
	if w.read[name] || known {
		w.read[name] = true
		for _, other := range w.needs[name] {
			if !w.read[other] {
				w.reads(other, true)
			}
		}
	}
}

func (w *writer) add(format string, args ...any) {
	w.lines = append(w.lines, line{text: fmt.Sprintf(format, args...)})
}

// set writes a line that sets a variable, from others.
func (w *writer) set(name string, from []string, format string, args ...any) {
	if !slices.Contains(w.declared, name) {
		w.declared = append(w.declared, name)
	}
	w.needs[name] = append(w.needs[name], from...)
	w.lines = append(w.lines, line{fmt.Sprintf(format, args...), name})
}

// ident is a trace's name as a part of one in C.
func (w *writer) ident(name string) string {
	id := strings.ReplaceAll(name, "-", "_")
	for w.idents[id] != "" && w.idents[id] != name {
		id += "_"
	}
	w.idents[id] = name
	return id
}

// fd is the word for an fd, 0 for none.
func (w *writer) fd(word string) string { return w.named("fd_", word) }

// id is the word for an id, which may be given as one above another.
func (w *writer) id(word string) string {
	name, above, _ := trace.SplitID(word)
	if above != 0 {
		return fmt.Sprintf("%s + %d", w.named("id_", name), above)
	}
	return w.named("id_", name)
}

func (w *writer) ifindex(word string) string {
	if word == "lo" {
		return "1"
	}
	return w.named("if_", word)
}

// named is the variable that a name has, or the number that a word is.
func (w *writer) named(prefix, word string) string {
	n, err := trace.ParseNumber(word)
	switch {
	case err != nil:
		w.read[prefix+w.ident(word)] = true
		return prefix + w.ident(word)
	case n > 1<<16:
		return fmt.Sprintf("%#x", n)
	}
	return fmt.Sprint(n)
}

var attachTypes = map[mprog.AttachType]string{
	mprog.TCXIngress: "BPF_TCX_INGRESS", mprog.TCXEgress: "BPF_TCX_EGRESS",
	mprog.NetkitPrimary: "BPF_NETKIT_PRIMARY", mprog.NetkitPeer: "BPF_NETKIT_PEER", mprog.XDPDevice: "BPF_XDP",
}

// hook is the arguments that a hook takes.
func (w *writer) hook(word string) string {
	device, at, _ := trace.SplitHook(word)
	name, ok := attachTypes[at]
	if !ok {
		name = fmt.Sprint(uint32(at))
	}
	return w.ifindex(device) + ", " + name
}

// flags writes flags as C does.
func flags(word string) string {
	f, _ := mprog.ParseFlags(word)
	const others = mprog.AllowOverride | mprog.AllowMulti | mprog.Preorder // which mean nothing here
	var parts []string
	if f&others != 0 {
		parts = append(parts, fmt.Sprintf("%#x", uint32(f&others)))
		if f &^= others; f == 0 {
			return parts[0]
		}
	}
	for _, part := range strings.Split(f.String(), "+") {
		if part[0] > '9' {
			part = "BPF_F_" + strings.ToUpper(part)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " | ")
}

// options are the arguments that a call has behind those that it always has.
func (w *writer) options(s *trace.Statement) string {
	var b strings.Builder
	for _, p := range s.Params {
		switch p.Key {
		case "flags":
			fmt.Fprintf(&b, ", .flags = %s", flags(p.Value))
		case "relative_fd", "replace_bpf_fd", "old_prog_fd":
			fmt.Fprintf(&b, ", .%s = %s", p.Key, w.fd(p.Value))
		case "relative_id":
			fmt.Fprintf(&b, ", .relative_fd = %s", w.id(p.Value))
		case "expected_revision":
			fmt.Fprintf(&b, ", .%s = %sULL", p.Key, p.Value)
		default:
			fmt.Fprintf(&b, ", .%s = %s", p.Key, number(p.Value))
		}
	}
	return b.String()
}

// number is a word that is a number of 32 bits.
func number(word string) string {
	n, _ := trace.ParseNumber(word)
	if n > 1<<16 {
		return fmt.Sprintf("%#x", n)
	}
	return fmt.Sprint(n)
}
