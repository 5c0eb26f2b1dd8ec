package sim

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/mprog"
)

// Fault has calls fail for no reason.
type Fault struct {
	Command string      // such as BPF_LINK_CREATE
	Nth     int         // which of the command's calls, from 1; 0: all
	Errno   mprog.Errno // what they return
}

// ParseFault reads COMMAND[:N]=ERRNO, where COMMAND is a command of bpf(2) in any
// case, with or without BPF_ in front and with - for _, and N says which of its
// calls, for example link-create:2=ENOMEM.
func ParseFault(s string) (Fault, error) {
	left, errno, ok := strings.Cut(s, "=")
	if !ok {
		return Fault{}, fmt.Errorf("fault %q: expected COMMAND=ERRNO or COMMAND:N=ERRNO", s)
	}
	name, nth, numbered := strings.Cut(left, ":")
	f := Fault{Command: strings.ToUpper(strings.ReplaceAll(name, "-", "_"))}
	if !strings.HasPrefix(f.Command, "BPF_") {
		f.Command = "BPF_" + f.Command
	}
	if numbered {
		n, err := strconv.Atoi(nth)
		if err != nil || n < 1 {
			return Fault{}, fmt.Errorf("fault %q: expected a number from 1 behind the colon, not %q", s, nth)
		}
		f.Nth = n
	}
	for i := range commands {
		if commands[i].name == f.Command {
			if f.Errno, ok = mprog.ParseErrno(errno); !ok {
				return Fault{}, fmt.Errorf("fault %q: no errno is called %q", s, errno)
			}
			return f, nil
		}
	}
	return Fault{}, fmt.Errorf("fault %q: bpf(2) has no command %s", s, f.Command)
}

// faults counts calls.
type faults struct {
	list  []Fault
	calls map[string]int
}

func newFaults(list []Fault) *faults { return &faults{list, make(map[string]int)} }

// check says whether the command's next call fails.
func (f *faults) check(command string) error {
	if len(f.list) == 0 {
		return nil
	}
	f.calls[command]++
	for _, fault := range f.list {
		if fault.Command == command && (fault.Nth == 0 || fault.Nth == f.calls[command]) {
			return refuse("fault/injected", fault.Errno, "call %d of %s fails as asked for", f.calls[command], command)
		}
	}
	return nil
}
