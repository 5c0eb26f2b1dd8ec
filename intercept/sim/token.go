package sim

import (
	"fmt"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// createToken is bpf_token_create, of simulated bpf file systems, which delegate nothing: only
// who is privileged in the first user namespace could have them do so, by fsconfig(2).
func (k *call) createToken() error {
	flags, fd := k.u32(0), k.u32(4)
	if k.kernel.Running().Before(fake.Version(6, 9)) {
		return refuse("command/unknown", mprog.EINVAL, "this kernel has no tokens")
	}
	fs := k.caller.BPFFS(fd)
	switch {
	case flags != 0:
		return refuse("token/flags", mprog.EINVAL, "flags %#x", flags)
	case !fs.Open:
		return refuse("token/bad-fd", mprog.EBADF, "bpffs_fd %d is not open", int32(fd))
	case fs.Other:
		k.warn("tokens of the running kernel's bpf file systems: not simulated: refused")
		return fmt.Errorf("token: %w", mprog.ErrUnsupported)
	case !fs.Root:
		return refuse("token/not-bpffs", mprog.EINVAL, "bpffs_fd %d is not the root of a bpf file system", int32(fd))
	case !fs.Own:
		return refuse("token/users", mprog.EPERM, "the bpf file system is another user namespace's")
	case !k.caller.Nested():
		return refuse("token/first", mprog.EOPNOTSUPP, "there are no tokens in the first user namespace")
	}
	return refuse("token/none", mprog.ENOENT, "the bpf file system delegates nothing")
}
