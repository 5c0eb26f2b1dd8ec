package sim

import (
	"fmt"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// linkStructOps is bpf_struct_ops_link_create.
func (k *call) linkStructOps() error {
	if k.kernel.Running().Before(fake.Version(6, 4)) {
		return refuse("attach-type/mismatch", mprog.EINVAL, "this kernel has no links of struct_ops")
	}
	if err := k.refusedKind("struct_ops"); err != nil {
		return err
	}
	if err := k.checkTail(28); err != nil {
		return err
	}
	if _, err := k.mapByFD("map_fd", k.u32(0)); err != nil {
		return err
	}
	k.warn("struct_ops: not simulated: refused")
	return fmt.Errorf("link of struct_ops: %w", mprog.ErrUnsupported)
}
