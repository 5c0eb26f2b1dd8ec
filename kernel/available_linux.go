package kernel

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// neededCapabilities are what an environment is made with. CAP_SYS_ADMIN makes
// the namespace and includes CAP_BPF.
var neededCapabilities = []struct {
	number int
	name   string
}{
	{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"},
	{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},
}

func checkCapabilities() error {
	have, err := currentCapabilities()
	if err != nil {
		return err
	}
	var missing []string
	for _, c := range neededCapabilities {
		if !have.effective(c.number) {
			missing = append(missing, c.name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%w: needs root, or the missing %s", ErrUnavailable, strings.Join(missing, " and "))
}

// checkBPF loads a program on the current thread and forgets it, until that has
// gone well once.
func checkBPF() error {
	if bpfWorks.Load() {
		return nil
	}
	fd, err := load(mprog.ProgSpec{Type: mprog.SchedCLS}, constant(0))
	if err != nil {
		return unavailable("bpf(2)", err)
	}
	bpfWorks.Store(true)
	return unix.Close(fd)
}

var bpfWorks atomic.Bool

// unavailable explains why the system refuses something for which the
// capabilities are there.
func unavailable(what string, err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: %s is refused although the capabilities are there: "+
			"look for a seccomp filter, a container or a locked down kernel: %w", ErrUnavailable, what, err)
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w: the kernel was built without %s: %w", ErrUnavailable, what, err)
	}
	return fmt.Errorf("try %s: %w", what, err)
}
