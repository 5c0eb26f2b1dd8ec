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

// Jobs is how many kernels fit on this machine side by side: three on two cores, for
// as many as there is memory. Each waits for a third of its time, as the removal of a
// device takes a grace period of RCU; more of them would get in each other's way.
func Jobs() int {
	jobs := runtime.NumCPU() * 3 / 2
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
