//go:build !linux || (!amd64 && !arm64)

package doctor

import "runtime"

// Checks are all that needs nothing but this package. On this system there is one.
var Checks = []Check{
	{"linux", "Linux on amd64 or arm64", "everything but the simulated kernel", func() (string, error) {
		return "", &Missing{Why: "this is " + runtime.GOOS + " on " + runtime.GOARCH}
	}},
}

func isNamespaceRoot() bool { return false }
