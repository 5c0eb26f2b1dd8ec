package explore

import (
	"fmt"
	"regexp"
	"runtime"
	"strings"
)

// panicking says where the code panics, for the reader.
func panicking() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "runtime.") {
			return fmt.Sprintf(", at %s:%d", f.File, f.Line)
		}
		if !more {
			return ""
		}
	}
}

// goroutineHead is the first line of what the runtime tells of a goroutine.
var goroutineHead = regexp.MustCompile(`^goroutine \d+ \[([^\]]*)\]:`)

// userLine is where a goroutine is in the code.
var userLine = regexp.MustCompile(`(?m)^\t(\S+:\d+)`)

// diagnose looks whether goroutines in bubbles wait for a lock while none of them works:
// for testing/synctest they never come to rest. Nil: that is not so.
func diagnose(agent string) error {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	lock, where := "", ""
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		head := goroutineHead.FindStringSubmatch(stack)
		if head == nil || !strings.Contains(head[1], "bubble") {
			continue
		}
		state, _, _ := strings.Cut(head[1], ",")
		switch {
		case strings.HasPrefix(state, "sync.Mutex"), strings.HasPrefix(state, "sync.RWMutex"):
			lock, where = state[:strings.LastIndexByte(state, '.')], place(stack)
		case state == "running", state == "runnable", state == "syscall", state == "IO wait":
			return nil
		}
	}
	if lock == "" {
		return nil
	}
	return fmt.Errorf("agent %s: a goroutine waits for a %s at %s whose holder is held at a call: testing/synctest cannot tell that from work, "+
		"so the agent must make no calls while it holds a lock that others wait for", agent, lock, where)
}

// place finds where in the code of the agent a goroutine is.
func place(stack string) string {
	for _, m := range userLine.FindAllStringSubmatch(stack, -1) {
		if !strings.Contains(m[1], "/src/sync/") && !strings.Contains(m[1], "/src/internal/") && !strings.Contains(m[1], "/src/runtime/") {
			return m[1]
		}
	}
	return "?"
}
