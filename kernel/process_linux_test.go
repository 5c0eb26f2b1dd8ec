package kernel

import (
	"encoding/binary"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

func progInfo(tb testing.TB, p *Process, fd uint32) mprog.ObjectInfo {
	tb.Helper()
	info, err := p.ObjectInfo(fd)
	require.NoError(tb, err)
	return info
}

// progExists opens a program by its id, BPF_PROG_GET_FD_BY_ID, and closes it.
func progExists(tb testing.TB, p *Process, id uint32) bool {
	tb.Helper()
	var b [16]byte
	binary.NativeEndian.PutUint32(b[:], id)
	var errno unix.Errno
	require.NoError(tb, p.do(func() {
		var fd int
		if fd, errno = bpf(unix.BPF_PROG_GET_FD_BY_ID, unsafe.Pointer(&b), uint32(len(b))); errno == 0 {
			unix.Close(fd)
		}
	}))
	if errno == unix.ENOENT {
		return false
	}
	require.Zero(tb, errno)
	return true
}
