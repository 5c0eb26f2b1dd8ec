package report

import (
	"fmt"
	"strings"

	"github.com/nkconform/nkconform/conformance"
)

// Run is the result of running scenarios on one kernel.
type Run struct {
	// Name tells the runs of one Results apart: the backend, or the image and,
	// if that was asked for, the machine.
	Name    string `json:"name"`
	Backend string `json:"backend"`         // fake, host or vm
	Image   string `json:"image,omitempty"` // that was booted, such as debian:6.12
	Kernel  Kernel `json:"kernel"`
	VM      *VM    `json:"vm,omitempty"` // nil without a virtual machine
	Count
	Seconds float64 `json:"seconds"` // of the suite, without the boot of a machine
	// Stopped says why not all cases ran: an interruption, a limit of time.
	Stopped string `json:"stopped,omitempty"`
	// Console is what the kernel printed, kept only if that says something.
	Console string `json:"console,omitempty"`
	Cases   []Case `json:"cases"`
}

// Simulated is the machine of the fake.
const Simulated = "simulated"

// Kernel names what answered.
type Kernel struct {
	Release string `json:"release"` // uname -r, or what the fake models
	Machine string `json:"machine"` // uname -m, or Simulated
}

// VM is the virtual machine that a kernel ran in.
type VM struct {
	Machine string  `json:"machine"`       // qemu, vng or uml
	Accel   string  `json:"accel"`         // kvm, tcg or uml
	Boots   int     `json:"boots"`         // more than 1: that often until it came up
	Boot    float64 `json:"boot_seconds"`  // until the guest's first word
	Total   float64 `json:"total_seconds"` // from start to end

	// Guests is how many machines shared the suite, 0 for one; the times are those of
	// the slowest.
	Guests int `json:"guests,omitempty"`
}

// kind names the machine, and how many there were.
func (vm *VM) kind() string {
	kind := vm.Machine + "/" + vm.Accel
	if vm.Guests > 1 {
		kind += fmt.Sprintf(" x%d", vm.Guests)
	}
	return kind
}

// OK says that all cases ran and none failed.
func (r *Run) OK() bool { return r.Failed == 0 && r.Stopped == "" }

// Add appends the result of a scenario and counts it.
func (r *Run) Add(c conformance.Result) { r.AddCase(NewCase(c)) }

// AddCase appends a case and counts it.
func (r *Run) AddCase(c Case) {
	r.Count.add(c.Status)
	r.Seconds += c.Seconds
	r.Cases = append(r.Cases, c)
}

// Fail appends a failure of the kernel as a whole, which no scenario is to
// blame for.
func (r *Run) Fail(id, rule, detail string) {
	r.AddCase(Case{ID: id, Rule: rule, Status: Failed, Failure: &Failure{Detail: detail}})
}

// Recount sums the cases up anew, after some have changed.
func (r *Run) Recount() {
	r.Count = Count{}
	for _, c := range r.Cases {
		r.Count.add(c.Status)
	}
}

// maxConsole bounds the part of a console log that results keep.
const maxConsole = 128 << 10

// KeepConsole attaches a console log, the middle left out of a long one.
func (r *Run) KeepConsole(text string) {
	if len(text) > maxConsole {
		head, tail := text[:maxConsole/4], text[len(text)-maxConsole*3/4:]
		text = head + "\n[...]\n" + tail
	}
	r.Console = strings.ToValidUTF8(strings.ReplaceAll(text, "\r", ""), "\uFFFD")
}
