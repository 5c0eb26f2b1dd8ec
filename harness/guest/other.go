//go:build !linux

package guest

// run returns: only a Linux kernel has guests.
func run(string) {}

// modprobe fails, for the same reason.
func modprobe([]string) int { return 1 }
