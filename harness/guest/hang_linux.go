package guest

import (
	"os"
	"strconv"
	"time"

	"github.com/nkconform/nkconform/harness/internal/wire"
)

// tellHangs has the kernel say so when a task waits uninterruptibly, or a
// processor does one thing, for nearly that long: what the kernel says tells more
// than the harness can. A kernel that has no such detector is left alone.
//
// A processor that does one thing may be the one that would have to print that:
// newer kernels print in a thread of its own, unless they panic.
func tellHangs(after time.Duration) {
	n := int(after * 4 / 5 / time.Second)
	for file, value := range map[string]int{
		"/proc/sys/kernel/hung_task_timeout_secs":               max(n, 1),
		"/proc/sys/kernel/hung_task_check_interval_secs":        max(n/10, 1),
		"/proc/sys/kernel/watchdog_thresh":                      max(n/2, 1), // of which it takes two
		"/proc/sys/kernel/softlockup_panic":                     1,
		"/proc/sys/kernel/hardlockup_panic":                     1,
		"/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout": max(n, 3), // the least that it takes
		"/sys/module/workqueue/parameters/watchdog_thresh":      max(n, 1),
	} {
		_ = os.WriteFile(file, []byte(strconv.Itoa(value)), 0)
	}
}

// beat tells the harness again and again that the guest is alive, several
// times within the time after which it is taken to hang, and what can be told of what
// the command is doing.
func beat(out *wire.Writer, hang time.Duration, doing func() string) (stop func()) {
	ticks := time.NewTicker(max(min(hang/5, time.Second), time.Millisecond))
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-ticks.C:
				_ = out.Send(wire.Alive, []byte(doing()))
			case <-done:
				return
			}
		}
	}()
	return func() {
		ticks.Stop()
		close(done)
	}
}
