package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxDoing bounds what is told of a command's threads, in bytes.
const maxDoing = 8 << 10

// doing tells what those threads of a process are doing that have names of their own:
// "NAME (STATE) in FUNCTION", with the state's letter of ps(1), and the calls that led
// there, as far as the kernel tells.
func doing(pid int) string {
	process := filepath.Join("/proc", strconv.Itoa(pid))
	threads, _ := filepath.Glob(filepath.Join(process, "task", "*"))
	var b strings.Builder
	for _, thread := range threads {
		name := read(thread, "comm")
		if name == "" || name == read(process, "comm") {
			continue
		}
		stat := read(thread, "stat")
		state := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:] + " ?")[0] // behind the name, which can be anything
		fmt.Fprintf(&b, "%s (%s)", name, state)
		if in := read(thread, "wchan"); in != "" && in != "0" {
			b.WriteString(" in " + in)
		}
		b.WriteString("\n")
		for call := range strings.Lines(read(thread, "stack")) {
			b.WriteString("  " + strings.TrimSpace(strings.TrimPrefix(call, "[<0>] ")) + "\n")
		}
	}
	return b.String()[:min(b.Len(), maxDoing)]
}

// read returns a file without the last newline, "" if it cannot be read.
func read(dir, file string) string {
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(text), "\n")
}
