package explore_test

import (
	"syscall"
	"time"
)

// cpuTime is what this process has used of processors, which others on the machine do
// not change much.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
