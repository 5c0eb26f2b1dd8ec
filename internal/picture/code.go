package picture

import (
	"fmt"
	"strings"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// Code is a call as somebody would write it.
type Code struct {
	ID    string // raw, libbpf, go, trace
	Title string
	Text  string // "": it cannot be written so, which Note tells
	Note  string
}

// Code writes the call that a step is in four ways: as bpf(2) gets it, in C with
// libbpf, in Go with cilium/ebpf, and as a line of a trace. Steps that are no calls
// have the last alone.
func (s *Step) Code() []Code {
	st := s.Line.Statement
	if st == nil {
		return nil
	}
	w := writer{st: st, step: s}
	line := st.Call()
	if answer := s.Answer.String(); answer != "" {
		line += strings.Repeat(" ", max(1, 39-len(line))) + answer
	}
	var list []Code
	add := func(id, title, text, note string) {
		if text != "" || note != "" {
			list = append(list, Code{id, title, text, note})
		}
	}
	of, ofGo := "", "" // several calls: the last, as with the checks
	for _, o := range st.Operands {
		if strings.Contains(o, "..") {
			of, ofGo = "/* the last of "+o+" */\n", "// the last of "+o+"\n"
		}
	}
	if raw := w.raw(); raw != "" {
		add("raw", "bpf(2)", of+raw, "")
	}
	libbpf, note := w.libbpf()
	if libbpf != "" {
		libbpf = of + libbpf
	}
	add("libbpf", "libbpf, C", libbpf, note)
	goText, note := w.cilium()
	if goText != "" {
		goText = ofGo + goText
	}
	add("go", "cilium/ebpf, Go", goText, note)
	if text := w.shell(); text != "" {
		add("shell", "shell", text, "")
	}
	add("trace", "a trace's line", line, "")
	return list
}

// writer writes a statement's call. Objects are variables of the statement's names.
type writer struct {
	st   *trace.Statement
	step *Step
}

// operand returns the nth operand, "" where there is none; of a range of names the last.
func (w writer) operand(n int) string {
	if n >= len(w.st.Operands) {
		return ""
	}
	word := w.st.Operands[n]
	if _, last, isRange := strings.Cut(word, ".."); isRange {
		return last
	}
	return word
}

func (w writer) param(key string) string {
	v, _ := w.st.Param(key)
	return v
}

func (w writer) flags() mprog.Flags {
	f, err := mprog.ParseFlags(w.param("flags"))
	if err != nil {
		return 0
	}
	return f
}

// relative is the word for the relative object, "" for none.
func (w writer) relative() string { return w.param("relative_fd") + w.param("relative_id") }

// hook splits the operand that is a hook.
func (w writer) hook(n int) (device string, at mprog.AttachType) {
	device, at, _ = trace.SplitHook(w.operand(n))
	return device, at
}

// constants are the flags as C has them, 0 for none.
func constants(f mprog.Flags) string {
	if f == 0 {
		return "0"
	}
	var parts []string
	for _, part := range strings.Split(f.String(), "+") {
		if !strings.HasPrefix(part, "0x") {
			if part == "override" || part == "multi" {
				part = "allow_" + part
			}
			part = "BPF_F_" + strings.ToUpper(part)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " | ")
}

// typeConstant is an attach type as C has it.
func typeConstant(at mprog.AttachType) string {
	switch {
	case at.Netkit():
		return "BPF_NETKIT_" + strings.ToUpper(at.String())
	case at.TCX():
		return "BPF_TCX_" + strings.ToUpper(at.String())
	case at == mprog.XDPDevice:
		return "BPF_XDP"
	case at.Cgroup():
		return "BPF_" + strings.ToUpper(at.String())
	}
	return at.String()
}

// variable is an fd of an object as a C program would call it; a number stays.
func variable(word, kind string) string {
	if trace.IsName(word) {
		return strings.ReplaceAll(word, "-", "_") + "_" + kind
	}
	if strings.Contains(word, "+") { // an id above another
		name, above, _ := trace.SplitID(word)
		return fmt.Sprintf("%s + %d", variable(name, kind), above)
	}
	return word
}

// target is a device, or a cgroup, as a C program would name it.
func target(device string, at mprog.AttachType) string {
	if at.Cgroup() {
		return variable(device, "fd")
	}
	if trace.IsName(device) {
		return fmt.Sprintf("if_nametoindex(%q)", device)
	}
	return device
}

// shell is a statement that sets the stage, or of tc, as one would type it.
func (w writer) shell() string {
	a, b := w.operand(0), w.operand(1)
	switch w.st.Verb {
	case "netkit":
		text := "ip link add " + a + " type netkit"
		if m := w.param("mode"); m != "" {
			text += " mode " + m
		}
		if p := w.param("policy"); p != "" {
			text += " " + p
		}
		if b != "" {
			text += " peer " + strings.TrimPrefix(w.param("peer_policy")+" ", " ") + "name " + b
		}
		return text
	case "veth":
		return "ip link add " + a + " type veth peer name " + b
	case "dummy":
		return "ip link add " + a + " type dummy"
	case "delete":
		return "ip link del " + a
	case "netns":
		return "ip netns add " + a
	case "move":
		return "ip link set " + a + " netns " + b
	case "qdisc":
		return "tc qdisc add dev " + a + " " + b
	case "qdisc-delete":
		return strings.TrimSpace("tc qdisc del dev " + a + " " + b)
	case "filter":
		device, at := w.hook(0)
		text := "tc filter add dev " + device + " " + at.String()
		if p := w.param("prio"); p != "" {
			text += " prio " + p
		}
		return text + " bpf direct-action object-pinned /sys/fs/bpf/" + b
	case "filter-list":
		device, at := w.hook(0)
		return "tc filter show dev " + device + " " + at.String()
	case "unlink":
		return "rm " + a
	}
	return ""
}
