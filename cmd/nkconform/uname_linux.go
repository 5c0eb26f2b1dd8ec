package main

import (
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/report"
)

func hostKernel() report.Kernel {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return report.Kernel{Release: "unknown", Machine: "unknown"}
	}
	return report.Kernel{
		Release: unix.ByteSliceToString(u.Release[:]),
		Machine: unix.ByteSliceToString(u.Machine[:]),
	}
}
