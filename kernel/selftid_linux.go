//go:build !amd64 && !arm64

package kernel

import "golang.org/x/sys/unix"

// self returns what no two goroutines have in common, one of which has locked its
// thread.
func self() uintptr { return uintptr(unix.Gettid()) }
