package backend

import (
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/report"
)

// Host describes the running kernel.
func Host() report.Kernel {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return report.Kernel{Release: "unknown", Machine: "unknown"}
	}
	return report.Kernel{
		Release: unix.ByteSliceToString(u.Release[:]),
		Machine: unix.ByteSliceToString(u.Machine[:]),
	}
}
