//go:build !linux

package backend

import (
	"runtime"

	"github.com/nkconform/nkconform/report"
)

// Host describes the running kernel.
func Host() report.Kernel {
	return report.Kernel{Release: runtime.GOOS, Machine: runtime.GOARCH}
}
