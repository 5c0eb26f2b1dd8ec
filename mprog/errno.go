package mprog

import "strconv"

// Errno is an error number of Linux, on whatever system the program runs.
//
// errors.Is compares it with the system's own errno by name: on macOS, where
// ESTALE is 70, errors.Is(ESTALE, syscall.ESTALE) holds all the same.
type Errno uint32

// The error numbers that the modelled calls return (asm-generic/errno.h).
const (
	EPERM        Errno = 1
	ENOENT       Errno = 2
	ESRCH        Errno = 3
	EINTR        Errno = 4
	EIO          Errno = 5
	ENXIO        Errno = 6
	E2BIG        Errno = 7
	EBADF        Errno = 9
	EAGAIN       Errno = 11
	ENOMEM       Errno = 12
	EACCES       Errno = 13
	EFAULT       Errno = 14
	EBUSY        Errno = 16
	EEXIST       Errno = 17
	ENODEV       Errno = 19
	ENOTDIR      Errno = 20
	EISDIR       Errno = 21
	EINVAL       Errno = 22
	EMFILE       Errno = 24
	ENOSPC       Errno = 28
	ERANGE       Errno = 34
	ENAMETOOLONG Errno = 36
	ENOSYS       Errno = 38
	ENOLINK      Errno = 67
	EPROTO       Errno = 71
	EOVERFLOW    Errno = 75
	EBADFD       Errno = 77 // BPF_OBJ_GET_INFO_BY_FD of an fd that is not open
	ENOTSOCK     Errno = 88
	EOPNOTSUPP   Errno = 95
	EAFNOSUPPORT Errno = 97
	ESTALE       Errno = 116
	ENOTSUPP     Errno = 524 // never meant for user space, yet some kernels return it
)

var errnoNames = map[Errno]string{
	EPERM: "EPERM", ENOENT: "ENOENT", ESRCH: "ESRCH", EPROTO: "EPROTO", EOVERFLOW: "EOVERFLOW", ENOTSOCK: "ENOTSOCK", EAFNOSUPPORT: "EAFNOSUPPORT", EINTR: "EINTR", EIO: "EIO", ENXIO: "ENXIO",
	E2BIG: "E2BIG", EBADF: "EBADF", EAGAIN: "EAGAIN", ENOMEM: "ENOMEM",
	EACCES: "EACCES", EFAULT: "EFAULT", EBUSY: "EBUSY", EEXIST: "EEXIST",
	ENODEV: "ENODEV", ENOTDIR: "ENOTDIR", EISDIR: "EISDIR", EINVAL: "EINVAL",
	EMFILE: "EMFILE", ENOSPC: "ENOSPC", ERANGE: "ERANGE",
	ENAMETOOLONG: "ENAMETOOLONG", ENOSYS: "ENOSYS", ENOLINK: "ENOLINK", EBADFD: "EBADFD",
	EOPNOTSUPP: "EOPNOTSUPP", ESTALE: "ESTALE", ENOTSUPP: "ENOTSUPP",
}

// String returns the name, such as ESTALE, or the bare number of an errno that
// has no name here.
func (e Errno) String() string {
	if s, ok := errnoNames[e]; ok {
		return s
	}
	return strconv.FormatUint(uint64(e), 10)
}

// Error returns the same as String: the name is what one looks up.
func (e Errno) Error() string { return e.String() }

// Is makes errors.Is hold for the system's errno of the same name, and for
// fs.ErrExist, fs.ErrNotExist and fs.ErrPermission where that errno does.
func (e Errno) Is(target error) bool { return isSystem(e, target) }

// ParseErrno is the inverse of [Errno.String].
func ParseErrno(s string) (Errno, bool) {
	for e, name := range errnoNames {
		if s == name {
			return e, true
		}
	}
	n, err := strconv.ParseUint(s, 10, 12)
	return Errno(n), err == nil && n != 0
}
