package console

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// golden are what kernels printed in machines that were booted for it, and what they
// complain of there: "kind | headline | where | task | callers, of a long stack the
// first". Most were broken by testdata/breaker.c, as the file's name says; the stalls
// are lines without their reports, of kernels with what Debian's lack, too.
var golden = map[string][]string{
	"clean.log": nil,
	"warning-6.12.log": {
		"warning | WARNING: CPU: 0 PID: 68 at net/core/dev.c:11500 unregister_netdevice_many_notify+0x6d2/0x9a0 | unregister_netdevice_many_notify+0x6d2/0x9a0 | nkconform | ",
	},
	"warning-7.3.log": {
		"warning | WARNING: kernel/bpf/mprog.c:140 at bpf_mprog_attach+0x3a1/0x5c0, CPU#0: nkconform/68 | bpf_mprog_attach+0x3a1/0x5c0 | nkconform | ",
	},
	"stalls.log": {
		"hung task | INFO: task kworker/u4:1:25 blocked for more than 120 seconds. |  | kworker/u4:1 | ",
		"lockup | watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [sh:68] |  | sh | ",
		"stall | rcu: INFO: rcu_preempt self-detected stall on CPU |  |  | ",
		"stall | rcu: INFO: rcu_preempt detected stalls on CPUs/tasks: |  |  | ",
		"warning | unregister_netdevice: waiting for nk0 to become free. Usage count = 2 |  |  | ",
		"warning | refcount_t: underflow; use-after-free. |  |  | ",
		"bug | UBSAN: array-index-out-of-bounds in kernel/bpf/mprog.c:100:10 |  |  | ",
		"memory | BUG: KASAN: slab-use-after-free in bpf_mprog_query+0x10/0x20 | bpf_mprog_query+0x10/0x20 |  | ",
	},
	"7.3-panic.log": {
		"panic | Kernel panic - not syncing: sysrq triggered crash | sysrq_handle_crash+0x1a/0x20 | sh | dump_stack_lvl+0x5d/0x80 vpanic+0x166/0x360 panic+0x6b/0x70",
	},
	"uml-6.1-panic.log": {
		"panic | Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b | do_exit+0x22a/0xa47 | init | show_stack+0x184/0x193 dump_stack_lvl+0x4a/0x58 dump_stack+0x1a/0x1c",
	},
	"6.1-panic.log": {
		"panic | Kernel panic - not syncing: broken on purpose | breaker_panic+0x11/0xc16 | insmod | dump_stack_lvl+0x44/0x5c panic+0x118/0x2f4 breaker_panic+0x11/0xc16",
	},
	"6.1-protection.log": {
		"oops | general protection fault, probably for non-canonical address 0x4141414141414141: 0000 [#1] PREEMPT SMP NOPTI | breaker_protection+0xc/0x20 | insmod | breaker_init+0x41/0x1000 do_one_initcall+0x59/0x220 do_init_module+0x4a/0x1f0",
	},
	"6.1-jump.log": {
		"oops | BUG: kernel NULL pointer dereference, address: 0000000000000000 | breaker_init+0x41/0x1000 | insmod | breaker_init+0x41/0x1000 do_one_initcall+0x59/0x220 do_init_module+0x4a/0x1f0",
	},
	"6.1-divide.log": {
		"oops | divide error: 0000 [#1] PREEMPT SMP NOPTI | breaker_divide+0x21/0x30 | insmod | breaker_init+0x41/0x1000 do_one_initcall+0x59/0x220 do_init_module+0x4a/0x1f0",
	},
	"6.1-list.log": {
		"oops | kernel BUG at lib/list_debug.c:59! | __list_del_entry_valid.cold+0x37/0x6f | insmod | breaker_list+0x6f/0xb0 breaker_init+0x41/0x1000 do_one_initcall+0x59/0x220",
	},
	"6.1-softirq.log": {
		"oops | BUG: kernel NULL pointer dereference, address: 0000000000000000 | breaker_null+0xc/0x20 | swapper/0 | call_timer_fn+0x27/0x130 __run_timers+0x222/0x2c0 run_timer_softirq+0x19/0x30",
		"panic | Kernel panic - not syncing: Fatal exception in interrupt |  |  | ",
	},
	"6.1-worker.log": {
		"oops | BUG: kernel NULL pointer dereference, address: 0000000000000000 | breaker_null+0xc/0x20 | kworker/0:2 | process_one_work+0x1c7/0x380 worker_thread+0x4d/0x380 kthread+0xda/0x100",
	},
	"6.1-sleep.log": {
		"hung task | INFO: task insmod:87 blocked for more than 5 seconds. | breaker_init+0x41/0x1000 | insmod | __schedule+0x34d/0xa00 schedule+0x5a/0xd0 breaker_init+0x41/0x1000",
		"hung task | INFO: task insmod:87 blocked for more than 10 seconds. | breaker_init+0x41/0x1000 | insmod | __schedule+0x34d/0xa00 schedule+0x5a/0xd0 breaker_init+0x41/0x1000",
	},
	"6.1-spin.log": {
		"lockup | watchdog: BUG: soft lockup - CPU#0 stuck for 6s! [insmod:87] | breaker_spin+0xe/0x10 | insmod | breaker_init+0x41/0x1000 do_one_initcall+0x59/0x220 do_init_module+0x4a/0x1f0",
		"lockup | watchdog: BUG: soft lockup - CPU#0 stuck for 11s! [insmod:87] | breaker_spin+0xe/0x10 | insmod | breaker_init+0x41/0x1000 do_one_initcall+0x59/0x220 do_init_module+0x4a/0x1f0",
	},
	"6.1-atomic.log": {
		"bug | BUG: scheduling while atomic: insmod/87/0x00000002 | breaker_atomic+0x16/0x30 | insmod | dump_stack_lvl+0x44/0x5c __schedule_bug.cold+0x42/0x4e __schedule+0x804/0xa00",
		"warning | WARNING: CPU: 0 PID: 87 at init/main.c:1284 do_one_initcall+0x1d7/0x220 | do_one_initcall+0x1d7/0x220 | insmod | do_init_module+0x4a/0x1f0 __do_sys_finit_module+0xac/0x120 do_syscall_64+0x5d/0x90",
	},
	"6.1-refcount.log": {
		"warning | refcount_t: addition on 0; use-after-free. | refcount_warn_saturate+0x97/0x110 | insmod | breaker_refcount+0x70/0x80 breaker_init+0x41/0x1000 do_one_initcall+0x59/0x220",
	},
}

// callers is how many of a stack golden has.
const callers = 3

func logs(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.log")
	require.NoError(t, err)
	texts := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		texts[filepath.Base(file)] = string(text)
	}
	return texts
}

func TestFind(t *testing.T) {
	texts := logs(t)
	for file := range golden {
		assert.Contains(t, texts, file)
	}
	for file, text := range texts {
		var got []string
		for _, c := range Find(text) {
			trace := c.Trace[:min(callers, len(c.Trace))]
			got = append(got, strings.Join([]string{string(c.Kind), c.Headline, c.Where, c.Task, strings.Join(trace, " ")}, " | "))
			assert.Contains(t, text, c.Text, file)
		}
		assert.Equal(t, golden[file], got, file)
	}
}

// What is read in a report is read in what is left of it, too.
func TestBrief(t *testing.T) {
	dull := regexp.MustCompile(`R[AS][XP]: |Code: |\] +\? |RIP: 0033`)
	for file, text := range logs(t) {
		for _, c := range Find(text) {
			brief := c.Brief()
			assert.LessOrEqual(t, strings.Count(brief, "\n"), maxBrief, file)
			assert.NotRegexp(t, dull, brief, file)
			for _, want := range append(c.Trace, c.Headline, c.Where) {
				assert.Contains(t, brief, want, file)
			}
		}
	}
	long := Find("BUG: long\n" + strings.Repeat("and more\n", maxLines*2))[0]
	assert.Equal(t, maxBrief+1, strings.Count(long.Brief(), "\n")+1)
	assert.Equal(t, maxLines, strings.Count(long.Text, "\n")+1)
}

// A watch says in the line of the headline that the kernel is broken, and with the
// report's last line that nothing more is to come.
func TestWatch(t *testing.T) {
	closed := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	for file, text := range logs(t) {
		w := NewWatch()
		broken, ok := Broken(Find(text))
		seen := ""
		for line := range strings.Lines(text) {
			before := closed(w.Broke())
			for _, half := range []string{line[:len(line)/2], line[len(line)/2:]} {
				_, err := io.WriteString(w, half)
				require.NoError(t, err)
			}
			seen += line
			if closed(w.Broke()) && !before {
				assert.True(t, strings.HasSuffix(seen, broken.Headline+"\n"), "%s: after %q", file, line)
			}
			if closed(w.Told()) {
				break
			}
		}
		assert.Equal(t, ok, closed(w.Broke()), file)
		if closed(w.Told()) {
			assert.Contains(t, seen, broken.Text, file)
		}
	}
}

func FuzzFind(f *testing.F) {
	files, err := filepath.Glob("testdata/*.log")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		found := Find(text)
		for _, c := range found {
			assert.NotEmpty(t, c.Headline)
			assert.LessOrEqual(t, strings.Count(c.Text, "\n"), maxLines)
			assert.LessOrEqual(t, strings.Count(c.Brief(), "\n"), maxBrief)
		}
		w := NewWatch()
		_, _ = io.WriteString(w, text)
		if _, broken := Broken(found); !broken {
			select {
			case <-w.Broke():
				t.Error("broken to who watches only")
			default:
			}
		}
	})
}
