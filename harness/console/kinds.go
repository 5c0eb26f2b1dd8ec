package console

import (
	"strings"
)

// Kind is what a kernel complains of.
type Kind string

// The kinds. After a Warning a kernel goes on as before; whatever is seen after any
// other may be a consequence of it.
const (
	Warning Kind = "warning"
	Panic   Kind = "panic"
	Oops    Kind = "oops"      // a fault or a BUG in the kernel's own code
	Hung    Kind = "hung task" // that waits uninterruptibly for too long
	Lockup  Kind = "lockup"    // of a processor that runs one thing for too long
	Stall   Kind = "stall"     // of a grace period of RCU
	Memory  Kind = "memory"    // found broken by KASAN, KFENCE or the slab allocator
	Bug     Kind = "bug"       // any other
)

// Breaks reports whether what a guest does after such a complaint counts for nothing.
func (k Kind) Breaks() bool { return k != Warning }

// pattern tells a kind of complaint by a message of the kernel.
type pattern struct {
	kind  Kind
	begin *expression
	end   *expression // the last line
	more  bool        // such a message also comes within a complaint of the kind
}

// What reports end with.
var (
	endTrace = compile(`^---\[ end `)
	endStack = compile(`^ *</TASK>$`)
	ruler    = compile(`^={20,}$`)
)

func starts(alternatives ...string) *expression {
	return compile(`^(?:` + strings.Join(alternatives, "|") + `)`)
}

// patterns are tried in order.
var patterns = []pattern{
	{kind: Panic, end: endStack, begin: starts(`Kernel panic - not syncing`)},
	{kind: Oops, end: endTrace, begin: starts(
		`BUG: kernel NULL pointer`,
		`BUG: unable to handle `,
		`Unable to handle kernel `,
		`kernel BUG at `,
		`Kernel mode fault `, // User-Mode Linux
	)},
	{kind: Oops, end: endTrace, more: true, begin: starts(
		`(?:traps: )?PANIC: double fault`,
		`(?:Oops|general protection fault|invalid opcode|divide error|stack segment|double fault)\b`,
	)},
	{kind: Hung, end: endStack, begin: starts(`INFO: task .* blocked for more than`)},
	{kind: Lockup, end: endStack, begin: starts(`(?:NMI )?watchdog: .*(?:lockup|LOCKUP)`, `BUG: (?:workqueue|spinlock) lockup`)},
	{kind: Stall, end: endStack, begin: starts(`(?:rcu: )?INFO: rcu\S* .*stall`)},
	{kind: Memory, end: ruler, begin: starts(`BUG: K[A-Z]SAN: `, `BUG: KFENCE: `)},
	{kind: Memory, end: endStack, begin: starts(`BUG \S+ \((?:Not t|T)ainted`)}, // the slab allocator's
	{kind: Bug, end: endStack, begin: starts(`BUG: `, `UBSAN: `)},
	{kind: Warning, end: endTrace, begin: starts(`refcount_t: `)},
	{kind: Warning, end: endTrace, more: true, begin: starts(`WARNING: `)},
	{kind: Warning, end: endStack, begin: starts(
		`INFO: possible recursive locking`,
		`unregister_netdevice: waiting for `,
		`kmemleak: \d+ new suspected`,
	)},
}

// patternOf returns the pattern of a message that a complaint begins with, or nil.
func patternOf(message string) *pattern {
	for i := range patterns {
		if patterns[i].begin.MatchString(message) {
			return &patterns[i]
		}
	}
	return nil
}
