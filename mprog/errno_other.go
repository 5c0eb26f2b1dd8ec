//go:build !linux

package mprog

import "syscall"

// systemErrno holds this system's numbers for Linux's names.
var systemErrno = map[Errno]syscall.Errno{
	EPERM: syscall.EPERM, ENOENT: syscall.ENOENT, EINTR: syscall.EINTR,
	EIO: syscall.EIO, ENXIO: syscall.ENXIO, E2BIG: syscall.E2BIG,
	EBADF: syscall.EBADF, EAGAIN: syscall.EAGAIN, ENOMEM: syscall.ENOMEM,
	EACCES: syscall.EACCES, EFAULT: syscall.EFAULT, EBUSY: syscall.EBUSY,
	EEXIST: syscall.EEXIST, ENODEV: syscall.ENODEV, ENOTDIR: syscall.ENOTDIR,
	EISDIR: syscall.EISDIR, EINVAL: syscall.EINVAL, EMFILE: syscall.EMFILE,
	ENOSPC: syscall.ENOSPC, ERANGE: syscall.ERANGE,
	ENAMETOOLONG: syscall.ENAMETOOLONG, ENOSYS: syscall.ENOSYS,
	ENOLINK: syscall.ENOLINK, ESRCH: syscall.ESRCH, EPROTO: syscall.EPROTO,
	EAFNOSUPPORT: syscall.EAFNOSUPPORT, EOPNOTSUPP: syscall.EOPNOTSUPP, EOVERFLOW: syscall.EOVERFLOW, ENOTSOCK: syscall.ENOTSOCK,
	ESTALE: syscall.ESTALE,
}

func isSystem(e Errno, target error) bool {
	s, ok := systemErrno[e]
	return ok && (s == target || s.Is(target))
}

func ofSystem(s syscall.Errno) Errno {
	for e, other := range systemErrno {
		if s == other {
			return e
		}
	}
	return Errno(s)
}
