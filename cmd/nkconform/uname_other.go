//go:build !linux

package main

import (
	"runtime"

	"github.com/nkconform/nkconform/report"
)

func hostKernel() report.Kernel {
	return report.Kernel{Release: runtime.GOOS, Machine: runtime.GOARCH}
}
