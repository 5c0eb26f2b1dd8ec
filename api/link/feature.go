package link

import (
	"errors"
	"math"

	"github.com/cilium/ebpf"

	"github.com/nkconform/nkconform/mprog"
)

// ErrNotSupported is wrapped by errors for what the kernel lacks. It is
// ebpf.ErrNotSupported, and thereby cilium/ebpf's link.ErrNotSupported.
var ErrNotSupported = ebpf.ErrNotSupported

// errClosed is what the use of a closed program or link comes to.
const errClosed = mprog.EBADF

// feature is something that kernels have from a version on.
type feature struct {
	name  string
	since string
	probe mprog.AttachType
}

var (
	netkit = feature{"netkit", "v6.7", mprog.NetkitPrimary}
	tcx    = feature{"tcx", "v6.6", mprog.TCXIngress}
)

// Error is in the words of cilium/ebpf.
func (f feature) Error() string { return f.name + " not supported (requires >= " + f.since + ")" }

// Is makes errors.Is hold for ErrNotSupported.
func (f feature) Is(target error) bool { return target == ErrNotSupported }

// missing returns an error when a refusal came because the kernel lacks the
// feature. A kernel that has it finds fault with a device that cannot exist, ENODEV,
// provided that the program is of the right type.
func (f feature) missing(k mprog.Kernel, prog uint32, refusal error) error {
	if !errors.Is(refusal, mprog.EINVAL) {
		return nil // a kernel without it knows nothing else to say
	}
	info, err := k.ObjectInfo(prog)
	if err != nil || info.Kind != mprog.ProgObject || info.ProgType != mprog.SchedCLS {
		return nil
	}
	_, err = k.LinkCreate(mprog.LinkCreateRequest{
		ProgFD: prog, TargetIfindex: math.MaxUint32, AttachType: f.probe,
	})
	if errors.Is(err, mprog.ENODEV) {
		return nil
	}
	return f
}

// queries is BPF_PROG_QUERY.
var queries = feature{name: "BPF_PROG_QUERY", since: "v4.15"}

// missingQuery returns an error when a query of a cgroup that cannot exist is not
// refused for that reason. Which is also so without CAP_NET_ADMIN: there cilium/ebpf
// mistakes EPERM for a kernel without queries.
func missingQuery(k mprog.Kernel, refusal error) error {
	if !errors.Is(refusal, mprog.EPERM) {
		return nil
	}
	const cgroupInetIngress = mprog.AttachType(0)
	_, err := k.ProgQuery(mprog.QueryRequest{TargetIfindex: math.MaxUint32, AttachType: cgroupInetIngress})
	if errors.Is(err, mprog.EBADF) {
		return nil
	}
	return queries
}
