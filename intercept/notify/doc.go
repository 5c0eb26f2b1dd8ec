// Package notify has chosen system calls of a program answered by this process
// instead of the kernel: a seccomp filter with user notification
// (seccomp_unotify(2)), access to the program's memory, and file descriptors
// put into it. It knows nothing of what the calls mean.
//
// It works on Linux 5.19 or newer, on amd64 and arm64, without privileges.
package notify
