package fake

import (
	"fmt"

	"github.com/nkconform/nkconform/mprog"
)

// attachXDP is BPF_XDP (include/uapi/linux/bpf.h).
const attachXDP mprog.AttachType = 37

// elsewhere is the set of attach types that bpf_prog_query and bpf_prog_detach
// hand to other subsystems: cgroups, sockmaps, lirc and network namespaces.
const elsewhere uint64 = 1<<23 - 1 | 0xf<<29 | 1<<34 | 1<<36 | 1<<38 | 1<<43 | 0x1f<<49

// modelled reports whether an attach type is one of the four that take
// SCHED_CLS programs.
func modelled(at mprog.AttachType) bool { return at.Netkit() || at.TCX() }

// unmodelled answers a query or a detach that names another attach type. What
// other subsystems answer is not known here; the rest is EINVAL.
func unmodelled(at mprog.AttachType, op mprog.Op) error {
	if at < 64 && elsewhere>>at&1 != 0 {
		return fmt.Errorf("%s: %w: attach type %d", op, mprog.ErrUnsupported, at)
	}
	return refuse(attachTypeUnknown, "attach type %d has no hook", at)
}

// builtHookDevice finds a hook's device, on a kernel that has such hooks at
// all. Otherwise there is a stub that knows nothing but EINVAL.
func (p *Process) builtHookDevice(ifindex uint32, at mprog.AttachType) (*device, error) {
	feature := mprog.FeatureTCX
	if at.Netkit() {
		feature = mprog.FeatureNetkit
	}
	if p.kernel.missing[feature] {
		return nil, refuse(attachTypeNotBuilt, "this kernel is built without %s", feature)
	}
	return p.hookDevice(ifindex, at)
}
