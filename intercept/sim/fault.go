package sim

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// Fault says at which calls something happens that is no doing of the kernel's:
// they fail, or somebody else acts first.
type Fault struct {
	Text    string           // as it was asked for
	Command string           // such as BPF_LINK_CREATE
	Nth     int              // which of the calls that match otherwise, from 1; 0: all
	Device  string           // the device of the hook that the call is about; "": any
	Hook    mprog.AttachType // the type of hook, with Device; 0: any
	Process string           // the caller's name, as /proc/PID/comm has it; "": any
	// Probes has calls match, too, on a device that nobody has, by which
	// libraries find out what a kernel can do.
	Probes bool

	Errno mprog.Errno // what the calls return, or
	Do    func()      // what is done first
}

// ParseFault reads CALLS=ERRNO, where CALLS is what [ParseCalls] reads, for
// example link-create:2@nk0:primary=ENOMEM.
func ParseFault(s string) (Fault, error) {
	f, errno, err := ParseCalls(s)
	if err != nil {
		return Fault{}, err
	}
	var ok bool
	if f.Errno, ok = mprog.ParseErrno(errno); !ok {
		return Fault{}, fmt.Errorf("fault %q: no errno is called %q", s, errno)
	}
	return f, nil
}

// ParseCalls reads COMMAND[:N][@DEVICE[:HOOK]][/PROCESS]=WHAT. COMMAND is a command
// of bpf(2) in any case, with or without BPF_ in front and with - for _. N says
// which of the calls is meant that match otherwise. HOOK is primary, peer, ingress
// or egress.
func ParseCalls(s string) (f Fault, what string, err error) {
	left, what, ok := strings.Cut(s, "=")
	if !ok {
		return Fault{}, "", fmt.Errorf("fault %q: expected COMMAND[:N][@DEVICE[:HOOK]][/PROCESS]=WHAT", s)
	}
	f = Fault{Text: s}
	left, process, named := strings.Cut(left, "/")
	if f.Process = process; named && process == "" {
		return Fault{}, "", fmt.Errorf("fault %q: expected a process's name behind /", s)
	}
	left, hook, onHook := strings.Cut(left, "@")
	name, nth, numbered := strings.Cut(left, ":")
	f.Command = strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	if !strings.HasPrefix(f.Command, "BPF_") {
		f.Command = "BPF_" + f.Command
	}
	if numbered {
		if f.Nth, err = strconv.Atoi(nth); err != nil || f.Nth < 1 {
			return Fault{}, "", fmt.Errorf("fault %q: expected a number from 1 behind the colon, not %q", s, nth)
		}
	}
	if onHook {
		var kind string
		if f.Device, kind, _ = strings.Cut(hook, ":"); f.Device == "" {
			return Fault{}, "", fmt.Errorf("fault %q: expected a device behind @", s)
		}
		if kind != "" {
			if f.Hook, ok = mprog.ParseAttachType(kind); !ok {
				return Fault{}, "", fmt.Errorf("fault %q: expected primary, peer, ingress or egress, not %q", s, kind)
			}
		}
	}
	for i := range commands {
		if commands[i].name == f.Command {
			return f, what, nil
		}
	}
	return Fault{}, "", fmt.Errorf("fault %q: bpf(2) has no command %s", s, f.Command)
}

// armed is a fault and how often its calls came.
type armed struct {
	Fault
	calls int // that matched otherwise
	fired int
}

func arm(list []Fault) (all []*armed) {
	for _, f := range list {
		all = append(all, &armed{Fault: f})
	}
	return all
}

// Unfired lists the faults that never happened, each with how many calls came that
// matched but for the number.
func (s *Sim) Unfired() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.fired == 0 {
			list = append(list, fmt.Sprintf("%s never happened: %d calls matched but for their number", f.Text, f.calls))
		}
	}
	return list
}

// fail does what is to happen in front of a call.
func (k *call) fail(command string) error {
	for _, f := range k.faults {
		if f.Command != command || !k.matches(&f.Fault) {
			continue
		}
		if f.calls++; f.Nth != 0 && f.Nth != f.calls {
			continue
		}
		f.fired++
		if f.Do != nil {
			k.pause(f.Do)
			continue
		}
		return refuse("fault/injected", f.Errno, "call %d of %s fails as asked for", f.calls, command)
	}
	return nil
}

// matches compares what a fault says of its calls besides the command.
func (k *call) matches(f *Fault) bool {
	if f.Process != "" {
		named, ok := k.caller.(interface{ Process() string })
		if !ok || named.Process() != f.Process {
			return false
		}
	}
	hook, ok := k.hook(f.Command)
	if !ok {
		return f.Device == ""
	}
	name, exists := k.standIn(k.caller).DeviceName(hook.Ifindex)
	if !exists {
		name, exists = k.caller.DeviceName(hook.Ifindex)
	}
	switch {
	case !exists && !f.Probes:
		return false
	case f.Device == "":
		return true
	}
	return f.Device == name && (f.Hook == 0 || f.Hook == hook.Type)
}

// hook finds the hook that a call is about.
func (k *call) hook(command string) (mprog.Hook, bool) {
	switch command {
	case "BPF_PROG_ATTACH", "BPF_PROG_DETACH":
		r := attr.DecodeAttach(k.request())
		return mprog.Hook{Ifindex: r.TargetIfindex, Type: r.AttachType}, true
	case "BPF_PROG_QUERY":
		r, _ := attr.DecodeQuery(k.request())
		return mprog.Hook{Ifindex: r.TargetIfindex, Type: r.AttachType}, true
	case "BPF_LINK_CREATE":
		r := attr.DecodeLinkCreate(k.request())
		return mprog.Hook{Ifindex: r.TargetIfindex, Type: r.AttachType}, true
	case "BPF_LINK_UPDATE", "BPF_LINK_DETACH":
		if o, _ := k.caller.Object(k.u32(0)); o != nil && o.Kind == Link {
			h := k.holder.HookOf(o.held)
			return h, h != (mprog.Hook{})
		}
	}
	return mprog.Hook{}, false
}

// pause does something in front of a call of which nothing has been done yet.
func (s *Sim) pause(do func()) {
	inHand, attr, arrays := s.inHand, s.attr, s.arrays
	s.mu.Unlock()
	if s.meanwhile != nil {
		s.meanwhile(do)
	} else {
		do()
	}
	s.mu.Lock()
	s.inHand, s.attr, s.arrays = inHand, attr, arrays
}
