package matrix

import (
	"bufio"
	"fmt"
	"os"
	"runtime"

	"github.com/nkconform/nkconform/harness"
)

// overhead is what a machine needs beside its guest's memory, in MiB.
const overhead = 256

// perCore is how many kernels share a core. Each waits for half of its time: the
// removal of a device takes a grace period of RCU.
const perCore = 2

// Jobs is how many kernels fit on this machine side by side: some a core, for as many
// as there is memory.
func Jobs() int {
	jobs := perCore * runtime.NumCPU()
	if free := available(); free > 0 {
		jobs = min(jobs, free/(harness.DefaultMemory+overhead))
	}
	return max(jobs, 1)
}

// available is the memory that can be had without swapping, in MiB; 0 if that
// cannot be told.
func available() int {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kb int
		if _, err := fmt.Sscanf(lines.Text(), "MemAvailable: %d kB", &kb); err == nil {
			return kb >> 10
		}
	}
	return 0
}
