// SPDX-License-Identifier: MIT
// Breaks the running kernel in the way that the parameter "how" names: at once,
// or when a function named "probe" is called the "hit"-th time. It made the logs
// beside it; the kernel's headers build it: see Makefile.
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/nmi.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

static char *how = "";
module_param(how, charp, 0);
static char *probe;
module_param(probe, charp, 0);
static int hit = 1;
module_param(hit, int, 0);
MODULE_DESCRIPTION("breaks the running kernel");
MODULE_LICENSE("Dual MIT/GPL");

static int *volatile nowhere;
static int *volatile noncanonical = (int *)0x4141414141414141;
static DEFINE_SPINLOCK(lock);

static noinline void breaker_null(void) { *nowhere = 1; }
static noinline void breaker_protection(void) { *noncanonical = 1; }
static noinline void breaker_bug(void) { BUG(); }
static noinline void breaker_warning(void) { WARN(1, "something is odd\n"); }
static noinline void breaker_jump(void) { ((void (*)(void))nowhere)(); }
static noinline void breaker_panic(void) { panic("broken on purpose"); }

static noinline void breaker_divide(void)
{
	volatile int zero = 0;
	volatile int one = 1;
	asm volatile("xorl %%edx, %%edx; divl %1" : : "a"(one), "r"(zero) : "edx");
}

static noinline void breaker_sleep(void)
{
	set_current_state(TASK_UNINTERRUPTIBLE);
	schedule();
}

static noinline void breaker_spin(void)
{
	preempt_disable();
	for (;;)
		cpu_relax();
}

static noinline void breaker_deaf(void)
{
	unsigned long flags;
	spin_lock_irqsave(&lock, flags);
	for (;;)
		cpu_relax();
}

static struct rcu_head head;
static void reclaim(struct rcu_head *h) {}

static noinline void breaker_rcu(void)
{
	call_rcu(&head, reclaim);
	rcu_read_lock();
	for (;;) {
		cpu_relax();
		touch_softlockup_watchdog();
	}
}

static noinline void breaker_atomic(void)
{
	spin_lock(&lock);
	schedule();
	spin_unlock(&lock);
}

static noinline void breaker_refcount(void)
{
	refcount_t r = REFCOUNT_INIT(0);
	refcount_inc(&r);
}

static noinline void breaker_list(void)
{
	LIST_HEAD(head);
	LIST_HEAD(a);
	LIST_HEAD(b);
	list_add(&a, &head);
	a.prev = &b;
	list_del(&a);
}

static noinline void breaker_overflow(void)
{
	char *volatile p = kmalloc(60, GFP_KERNEL);
	p[60] = p[61] = 1;
	kfree(p);
}

static noinline void breaker_freed(void)
{
	int i;
	for (i = 0; i < 1000; i++) {
		char *volatile p = kmalloc(64, GFP_KERNEL);
		kfree(p);
		p[8] = 1;
		msleep(2);
	}
}

static noinline void breaker_twice(void)
{
	char *volatile p = kmalloc(64, GFP_KERNEL);
	kfree(p);
	kfree(p);
}

static void in_timer(struct timer_list *t) { breaker_null(); }
static DEFINE_TIMER(timer, in_timer);
static void breaker_softirq(void) { mod_timer(&timer, jiffies + 1); msleep(100); }

static void in_worker(struct work_struct *w) { breaker_null(); }
static DECLARE_WORK(work, in_worker);
static void breaker_worker(void) { schedule_work(&work); flush_work(&work); }

// It keeps a lock that others wait for.
static int keeper(void *unused)
{
	rtnl_lock();
	for (;;)
		schedule_timeout_interruptible(HZ);
	return 0;
}
static void start_keeper(struct work_struct *w) { kthread_run(keeper, NULL, "keeper"); }
static DECLARE_WORK(keep, start_keeper);
static void breaker_lock(void) { schedule_work(&keep); }

static const struct {
	const char *how;
	void (*does)(void);
} ways[] = {
	{"null", breaker_null}, {"protection", breaker_protection}, {"bug", breaker_bug}, {"warning", breaker_warning},
	{"jump", breaker_jump}, {"panic", breaker_panic}, {"divide", breaker_divide}, {"sleep", breaker_sleep},
	{"spin", breaker_spin}, {"deaf", breaker_deaf}, {"rcu", breaker_rcu}, {"atomic", breaker_atomic},
	{"refcount", breaker_refcount}, {"list", breaker_list}, {"overflow", breaker_overflow}, {"freed", breaker_freed},
	{"twice", breaker_twice}, {"softirq", breaker_softirq}, {"worker", breaker_worker}, {"lock", breaker_lock},
};

static void (*chosen)(void);
static int on_hit(struct kprobe *p, struct pt_regs *regs)
{
	if (--hit == 0)
		chosen();
	return 0;
}
static struct kprobe where = {.pre_handler = on_hit};

static int __init breaker_init(void)
{
	int i;
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		if (strcmp(ways[i].how, how) == 0) {
			if (probe) {
				chosen = ways[i].does;
				where.symbol_name = probe;
				return register_kprobe(&where);
			}
			ways[i].does();
			return 0;
		}
	}
	return -EINVAL;
}
module_init(breaker_init);
