package console

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
	"6.1-bug.log": {
		"oops | kernel BUG at breaker.c:37! | breaker_bug+0x5/0x10 | insmod | breaker_init+0x6b/0x1000 do_one_initcall+0x59/0x220 do_init_module+0x4a/0x1f0",
	},
	"6.1-freed.log": {
		"memory | BUG kmalloc-64 (Tainted: G           OE     ): Poison overwritten | check_bytes_and_report.cold+0x6d/0x97 | insmod | dump_stack_lvl+0x44/0x5c check_bytes_and_report.cold+0x6d/0x97 check_object+0x22b/0x280",
		"memory | BUG kmalloc-64 (Tainted: G    B      OE     ): Poison overwritten | check_bytes_and_report.cold+0x6d/0x97 | insmod | dump_stack_lvl+0x44/0x5c check_bytes_and_report.cold+0x6d/0x97 check_object+0x22b/0x280",
	},
	"6.1-twice.log": {
		"oops | kernel BUG at mm/slub.c:419! | __kmem_cache_free+0x284/0x2a0 | insmod | breaker_init+0x41/0x1000 do_one_initcall+0x59/0x220 do_init_module+0x4a/0x1f0",
	},
	"6.1-warning.log": {
		"warning | WARNING: CPU: 0 PID: 88 at breaker.c:31 breaker_warning+0x11/0x20 [breaker] | breaker_warning+0x11/0x20 | insmod | breaker_init+0x41/0x1000 do_one_initcall+0x59/0x220 do_init_module+0x4a/0x1f0",
	},
	"6.12-bug.log": {
		"oops | kernel BUG at breaker.c:37! | breaker_bug+0x9/0x10 | insmod | breaker_init+0x6f/0xff0 do_one_initcall+0x5b/0x310 do_init_module+0x60/0x230",
	},
	"6.12-divide.log": {
		"oops | Oops: divide error: 0000 [#1] PREEMPT SMP NOPTI | breaker_divide+0x25/0x30 | insmod | breaker_init+0x45/0xff0 do_one_initcall+0x5b/0x310 do_init_module+0x60/0x230",
	},
	"6.12-freed.log": {
		"memory | BUG: KFENCE: use-after-free write in breaker_freed+0x3f/0x60 [breaker] | breaker_freed+0x3f/0x60 | insmod | breaker_freed+0x3f/0x60 breaker_init+0x45/0xff0 do_one_initcall+0x5b/0x310",
	},
	"6.12-lock.log": { // in the suite
		"hung task | INFO: task kworker/u4:0:12 blocked for more than 8 seconds. | linkwatch_event+0x12/0x40 | kworker/u4:0 | __schedule+0x4ea/0xbe0 schedule+0x27/0xc0 schedule_preempt_disabled+0x15/0x30",
		"hung task | INFO: task nkconform-89:125 blocked for more than 8 seconds. | netkit_prog_query+0x18/0xa0 | nkconform-89 | __schedule+0x4ea/0xbe0 schedule+0x27/0xc0 schedule_preempt_disabled+0x15/0x30",
	},
	"6.12-null.log": {
		"oops | BUG: kernel NULL pointer dereference, address: 0000000000000000 | breaker_null+0x10/0x20 | insmod | breaker_init+0x45/0xff0 do_one_initcall+0x5b/0x310 do_init_module+0x60/0x230",
	},
	"6.12-overflow.log": {
		"memory | BUG kmalloc-64 (Tainted: G           OE     ): Object corrupt |  |  | ",
		"warning | WARNING: CPU: 0 PID: 126 at mm/slub.c:1127 object_err+0x1d2/0x1df | object_err+0x1d2/0x1df | insmod | check_bytes_and_report.cold+0x66/0x84 check_object+0x2e9/0x310 free_to_partial_list+0x1cd/0x490",
	},
	"6.12-protection.log": {
		"oops | Oops: general protection fault, probably for non-canonical address 0x4141414141414141: 0000 [#1] PREEMPT SMP NOPTI | breaker_protection+0x10/0x20 | insmod | breaker_init+0x45/0xff0 do_one_initcall+0x5b/0x310 do_init_module+0x60/0x230",
	},
	"6.12-sleep.log": {
		"hung task | INFO: task insmod:125 blocked for more than 5 seconds. | breaker_init+0x45/0xff0 | insmod | __schedule+0x4ea/0xbe0 schedule+0x27/0xc0 breaker_init+0x45/0xff0",
		"hung task | INFO: task insmod:125 blocked for more than 10 seconds. | breaker_init+0x45/0xff0 | insmod | __schedule+0x4ea/0xbe0 schedule+0x27/0xc0 breaker_init+0x45/0xff0",
	},
	"6.12-softirq.log": {
		"oops | BUG: kernel NULL pointer dereference, address: 0000000000000000 | breaker_null+0x10/0x20 | swapper/0 | call_timer_fn+0x2a/0x120 __run_timers+0x1f1/0x280 run_timer_softirq+0x8c/0xf0",
		"panic | Kernel panic - not syncing: Fatal exception in interrupt |  |  | ",
	},
	"6.12-spin.log": {
		"lockup | watchdog: BUG: soft lockup - CPU#0 stuck for 6s! [insmod:125] | breaker_spin+0x12/0x20 | insmod | breaker_init+0x45/0xff0 do_one_initcall+0x5b/0x310 do_init_module+0x60/0x230",
		"lockup | watchdog: BUG: soft lockup - CPU#0 stuck for 12s! [insmod:125] | breaker_spin+0x12/0x20 | insmod | breaker_init+0x45/0xff0 do_one_initcall+0x5b/0x310 do_init_module+0x60/0x230",
	},
	"6.12-warning.log": {
		"warning | WARNING: CPU: 0 PID: 125 at breaker.c:31 breaker_warning+0x15/0x20 [breaker] | breaker_warning+0x15/0x20 | insmod | breaker_init+0x45/0xff0 do_one_initcall+0x5b/0x310 do_init_module+0x60/0x230",
	},
	"6.12-worker.log": {
		"oops | BUG: kernel NULL pointer dereference, address: 0000000000000000 | breaker_null+0x10/0x20 | kworker/0:1 | process_one_work+0x18b/0x340 worker_thread+0x191/0x2f0 kthread+0xd2/0x100",
	},
	"uml-7.3-panic.log": { // of a SIGSEGV that was no fault of its own
		"panic | Kernel panic - not syncing: Segfault with no mm |  | swapper/0 | ",
	},
	"uml-7.3-fault.log": { // the same, in the suite
		"panic | Kernel panic - not syncing: Kernel mode fault at addr 0x0, ip 0x60042c90 | hard_handler+0x0/0x50 | nkconform-173 | ",
	},
	"7.3-bug.log": {
		"oops | kernel BUG at breaker.c:37! | breaker_bug+0x9/0x10 | insmod | breaker_init+0xba/0xff0 do_one_initcall+0x57/0x310 do_init_module+0x60/0x250",
	},
	"7.3-freed.log": {
		"memory | BUG: KFENCE: use-after-free write in breaker_freed+0x3f/0x60 [breaker] | breaker_freed+0x3f/0x60 | insmod | breaker_freed+0x3f/0x60 breaker_init+0xba/0xff0 do_one_initcall+0x57/0x310",
	},
	"7.3-null.log": {
		"oops | BUG: kernel NULL pointer dereference, address: 0000000000000000 | breaker_null+0x10/0x20 | insmod | breaker_init+0xba/0xff0 do_one_initcall+0x57/0x310 do_init_module+0x60/0x250",
	},
	"7.3-protection.log": {
		"oops | Oops: general protection fault, probably for non-canonical address 0x4141414141414141: 0000 [#1] SMP NOPTI | breaker_protection+0x10/0x20 | insmod | breaker_init+0xba/0xff0 do_one_initcall+0x57/0x310 do_init_module+0x60/0x250",
	},
	"7.3-rcu.log": {
		"stall | rcu: INFO: rcu_preempt detected stalls on CPUs/tasks: | touch_softlockup_watchdog+0x0/0x20 | insmod | sched_show_task+0x130/0x160 rcu_sched_clock_irq.cold+0x9be/0xa1a update_process_times+0x70/0xc0",
	},
	"7.3-sleep.log": {
		"hung task | INFO: task insmod:102 blocked for more than 8 seconds. | breaker_init+0xba/0xff0 | insmod | __schedule+0x52a/0x1080 schedule+0x28/0xa0 breaker_init+0xba/0xff0",
	},
	"7.3-softirq.log": {
		"oops | BUG: kernel NULL pointer dereference, address: 0000000000000000 | breaker_null+0x10/0x20 | swapper/0 | call_timer_fn+0x28/0x120 __run_timers+0x1ef/0x270 run_timer_softirq+0x8c/0xf0",
		"panic | Kernel panic - not syncing: Fatal exception in interrupt |  |  | ",
	},
	"7.3-spin.log": { // with kernel.softlockup_panic
		"lockup | watchdog: BUG: soft lockup - CPU#0 stuck for 13s! [insmod:103] | breaker_spin+0x13/0x20 | insmod | breaker_init+0xba/0xff0 do_one_initcall+0x57/0x310 do_init_module+0x60/0x250",
		"panic | Kernel panic - not syncing: softlockup: hung tasks | breaker_spin+0x13/0x20 | insmod | dump_stack_lvl+0x5d/0x80 vpanic+0x166/0x360 panic+0x6b/0x70",
	},
}
