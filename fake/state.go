package fake

import (
	"fmt"
	"strings"

	"github.com/nkconform/nkconform/mprog"
)

// HookState is what a query tells of a hook. Two can be compared with ==.
type HookState struct {
	Revision uint64
	Programs string // such as "b@l1 a": programs in order of execution, with their links
	Err      mprog.Errno
}

// Hook tells the state of a hook of the first process's network namespace.
// Programs have the names they were loaded with, with _2, _3 behind where a name
// is there already, and links are l1, l2 and so on by their ids.
func (k *Kernel) Hook(ifindex uint32, at mprog.AttachType) HookState {
	k = k.kernel
	if r := k.remote(); r != nil {
		return r.Hook(ifindex, at)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.hookState(ifindex, at)
}

func (k *Kernel) hookState(ifindex uint32, at mprog.AttachType) HookState {
	viewer := &Process{kernel: k, net: k.namespaces[0]}
	if k.hooks(at) == unknown {
		return HookState{Err: mprog.EINVAL}
	}
	d, err := viewer.builtHookDevice(ifindex, at)
	if err != nil {
		errno, _ := mprog.ErrnoOf(err)
		return HookState{Err: errno}
	}
	h := d.entry(at, false)
	if h == nil {
		return HookState{Revision: 1}
	}
	list := make([]string, h.count)
	for i, e := range h.entries[:h.count] {
		list[i] = e.label()
	}
	return HookState{Revision: h.revision, Programs: strings.Join(list, " ")}
}

// label writes an entry as traces do.
func (e entry) label() string {
	if e.link == nil {
		return e.prog.label()
	}
	return e.prog.label() + "@" + e.link.label()
}

// String returns for example "revision 4 [b@l1 a]", or the errno that a query
// would be refused with.
func (s HookState) String() string {
	if s.Err != 0 {
		return s.Err.String()
	}
	return fmt.Sprintf("revision %d [%s]", s.Revision, s.Programs)
}
