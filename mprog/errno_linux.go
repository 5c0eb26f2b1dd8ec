package mprog

import "syscall"

func isSystem(e Errno, target error) bool {
	s := syscall.Errno(e)
	return s == target || s.Is(target)
}

func ofSystem(s syscall.Errno) Errno { return Errno(s) }
