package fake

import (
	"fmt"

	"github.com/nkconform/nkconform/mprog"
)

// support is how far a kernel has a kind of hooks.
type support uint8

const (
	unknown support = iota // its attach types are numbers like any
	stub                   // known, and not built in
	built
)

// supports finds out how far the kernel has the hooks of a feature.
func (k *Kernel) supports(f mprog.Feature) support {
	switch {
	case !k.missing[f]:
		return built
	case k.release.has(f):
		return stub
	}
	return unknown
}

// hooks returns how far the kernel has hooks of an attach type: those four that
// take SCHED_CLS programs.
func (k *Kernel) hooks(at mprog.AttachType) support {
	switch {
	case at.TCX():
		return k.tcx
	case at.Netkit():
		return k.netkit
	}
	return unknown
}

// onCgroup reports whether an attach type is one of those of cgroups that are simulated.
func (k *Kernel) onCgroup(at mprog.AttachType) bool {
	return at.Cgroup() && !k.missing[mprog.FeatureCgroup] && !k.kept
}

// typeSet is a set of attach types.
type typeSet uint64

func (s typeSet) has(at mprog.AttachType) bool { return s>>at&1 != 0 }

// Attach types that lead to other subsystems, as on Linux 7.3. A type that is
// in no set is EINVAL.
const (
	// typed ones belong to a program type (attach_type_to_prog_type).
	typed typeSet = 1<<33 - 1 | 1<<34 | 1<<36 | 1<<37 | 1<<38 | 1<<43 | 0x1f<<49 | 0xf<<58
	// cgroups are those that are detached from and queried on a cgroup.
	cgroups typeSet = 1<<4 - 1 | 1<<6 | 0xff<<8 | 0x1f<<18 | 0xf<<29 | 1<<34 | 1<<43 | 0x1f<<49
	// elsewhere are more that are detached or queried: LSM, sockmaps, network
	// namespaces.
	elsewhere typeSet = 1<<4 | 1<<5 | 1<<7 | 1<<17 | 1<<27 | 1<<36 | 1<<38
)

// knows reports whether the releases know an attach type, and it is in a set.
func (g *generation) knows(s typeSet, at mprog.AttachType) bool { return at < g.types && s.has(at) }

// attachOther answers an attach with another type. None takes a program that can
// be loaded here; what matters is whether the kernel gets as far as to look at
// the fd.
func (p *Process) attachOther(r *mprog.AttachRequest) error {
	if !p.kernel.release.knows(typed, r.AttachType) || p.files[r.AttachFD] != nil {
		return refuse(attachTypeUnknown, "attach type %d takes no such program", r.AttachType)
	}
	if r.Flags != 0 || r.Relative != 0 || r.ExpectedRevision != 0 {
		return unsupported(mprog.OpProgAttach, r.AttachType)
	}
	_, err := p.progByFD("attach_bpf_fd", r.AttachFD, progBadFD, progNotProg)
	return err
}

// detachOther answers a detach with another type.
func (g *generation) detachOther(r *mprog.DetachRequest) error {
	if g.knows(cgroups, r.AttachType) && (r.Flags != 0 || r.Relative != 0 || r.ExpectedRevision != 0) {
		return unsupported(mprog.OpProgDetach, r.AttachType)
	}
	return g.other(mprog.OpProgDetach, r.AttachType, r.TargetIfindex)
}

// other answers a command that looks for what it works on. There are no
// cgroups, so that no number is the fd of one.
func (g *generation) other(op mprog.Op, at mprog.AttachType, target uint32) error {
	switch {
	case g.knows(cgroups, at):
		return refuse(attachTypeCgroup, "attach type %d: %d is not the fd of a cgroup", at, target)
	case elsewhere.has(at):
		return unsupported(op, at)
	}
	return refuse(attachTypeUnknown, "attach type %d has no hooks", at)
}

func unsupported(op mprog.Op, at mprog.AttachType) error {
	return fmt.Errorf("%s: %w: attach type %d", op, mprog.ErrUnsupported, at)
}

// builtHookDevice finds a hook's device, on a kernel that has such hooks at
// all. Otherwise there is a stub that knows nothing but EINVAL.
func (p *Process) builtHookDevice(ifindex uint32, at mprog.AttachType) (*device, error) {
	if p.kernel.hooks(at) != built {
		return nil, refuse(attachTypeNotBuilt, "this kernel is built without hooks of type %s", at)
	}
	return p.hookDevice(ifindex, at)
}
