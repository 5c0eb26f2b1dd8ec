package harness

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFindTrouble(t *testing.T) {
	for file, want := range map[string][]string{
		"clean.log": nil,
		"warning-6.12.log": {
			"[    3.516727] WARNING: CPU: 0 PID: 68 at net/core/dev.c:11500 unregister_netdevice_many_notify+0x6d2/0x9a0",
		},
		"warning-7.3.log": {
			"[    3.516727][   T68] WARNING: kernel/bpf/mprog.c:140 at bpf_mprog_attach+0x3a1/0x5c0, CPU#0: nkconform/68",
		},
		"oops.log": {
			"[    5.100000] BUG: kernel NULL pointer dereference, address: 0000000000000010",
			"[    5.100200] Oops: Oops: 0000 [#1] SMP NOPTI",
			"[    5.100400] Kernel panic - not syncing: Fatal exception in interrupt",
		},
		"slab.log": {
			"[    7.100100] BUG kmalloc-64 (Not tainted): Poison overwritten",
			"[    7.200100] BUG netkit_priv (Tainted: G    B   W  ): Object already free",
		},
		"stalls.log": {
			"[  242.100000] INFO: task kworker/u4:1:25 blocked for more than 120 seconds.",
			"[  242.200000] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [sh:68]",
			"[  242.300000] rcu: INFO: rcu_preempt self-detected stall on CPU",
			"[  242.400000] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
			"[  242.500000] unregister_netdevice: waiting for nk0 to become free. Usage count = 2",
			"[  252.500000] unregister_netdevice: waiting for nk0 to become free. Usage count = 2",
			"[  260.000000] refcount_t: underflow; use-after-free.",
			"[  261.000000] UBSAN: array-index-out-of-bounds in kernel/bpf/mprog.c:100:10",
			"[  262.000000] BUG: KASAN: slab-use-after-free in bpf_mprog_query+0x10/0x20",
		},
	} {
		text, err := os.ReadFile(filepath.Join("testdata", file))
		require.NoError(t, err)
		assert.Equal(t, want, findTrouble(string(text)), file)
	}
}
