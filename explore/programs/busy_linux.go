package programs

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// busy reports whether a thread of a process group runs, would run if a processor were
// free, or waits for a disk: what makes no call then is slow, and does not wait for others.
func busy(group int) bool {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		if _, of := state(stat); of != group {
			continue
		}
		threads, _ := filepath.Glob(filepath.Dir(stat) + "/task/*/stat")
		for _, thread := range threads {
			if s, _ := state(thread); s == "R" || s == "D" {
				return true
			}
		}
	}
	return false
}

// state reads a process's or a thread's state and its process group (proc_pid_stat(5)).
func state(stat string) (state string, group int) {
	text, err := os.ReadFile(stat)
	if err != nil {
		return "", 0 // it has ended
	}
	behind := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(behind) < 3 {
		return "", 0
	}
	group, _ = strconv.Atoi(behind[2])
	return behind[0], group
}
