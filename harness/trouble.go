package harness

import (
	"regexp"
	"strings"
)

// stamp is what may stand before a kernel's message: log level, time and the
// task or processor that printed it.
const stamp = `^(?:<\d+>)?(?:\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? )?`

// trouble matches the first line of a report in which a kernel complains
// about itself.
var trouble = regexp.MustCompile(stamp + `(?:` + strings.Join([]string{
	`WARNING: `,
	`BUG: `,
	`BUG \S+ \((?:Not t|T)ainted`, // the slab allocator's
	`kernel BUG at `,
	`(?:NMI )?watchdog: .*(?:lockup|LOCKUP)`,
	`INFO: task .* blocked for more than`,
	`INFO: possible recursive locking`,
	`(?:rcu: )?INFO: rcu\S* .*stall`,
	`(?:Oops|general protection fault|invalid opcode|divide error|stack segment|double fault)\b`,
	`Unable to handle kernel `,
	`Kernel panic - not syncing`,
	`Kernel mode fault `, // User-Mode Linux
	`UBSAN: `,
	`refcount_t: `,
	`unregister_netdevice: waiting for `,
	`kmemleak: \d+ new suspected`,
}, "|") + `)`)

// findTrouble returns the lines of a console log that begin a kernel's
// complaint about itself, without duplicates, in order.
func findTrouble(console string) []string {
	var found []string
	seen := map[string]bool{}
	for line := range strings.Lines(console) {
		line = strings.TrimRight(line, "\r\n")
		if trouble.MatchString(line) && !seen[line] {
			seen[line] = true
			found = append(found, line)
		}
	}
	return found
}
