//go:build amd64 || arm64

package intercept

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/intercept/sim"
	"github.com/nkconform/nkconform/mprog"
)

// filteredSocket is a socket that has a program, and where it was seen.
type filteredSocket struct {
	program *sim.SocketProgram
	tid, fd uint32
}

// filterOptions are those of setsockopt(2) that have to do with programs.
var filterOptions = []uint32{unix.SO_ATTACH_BPF, unix.SO_ATTACH_REUSEPORT_EBPF, unix.SO_DETACH_BPF}

// socketOption answers setsockopt(2) of a program for a socket. No such program runs.
func (s *supervisor) socketOption(c *notify.Call) {
	who := s.caller(c)
	fd := uint32(c.Args[0])
	var st unix.Stat_t
	if unix.Stat(who.proc("/fd/"+strconv.FormatUint(uint64(fd), 10)), &st) != nil {
		_ = s.listener.Answer(c, 0, unix.EBADF)
		return
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		_ = s.listener.Answer(c, 0, unix.ENOTSOCK)
		return
	}
	option := int(int32(c.Args[2]))
	old := s.filtered[st.Ino]
	if option == unix.SO_DETACH_BPF {
		if old == nil {
			_ = s.listener.Continue(c) // of a classic filter
			return
		}
		s.unfilter(st.Ino)
		_ = s.listener.Answer(c, 0, 0)
		return
	}
	var value [4]byte
	var err error
	var made *sim.SocketProgram
	switch {
	case uint32(c.Args[4]) < 4:
		err = unix.EINVAL
	case who.Read(c.Args[3], value[:]) != nil:
		err = unix.EFAULT
	default:
		made, err = who.kernel().AttachSocket(who, native.Uint32(value[:]), option == unix.SO_ATTACH_REUSEPORT_EBPF)
	}
	errno, _ := mprog.ErrnoOf(err)
	if err == nil {
		s.unfilter(st.Ino)
		s.filtered[st.Ino] = &filteredSocket{made, c.TID, fd}
	}
	_ = s.listener.Answer(c, 0, unix.Errno(errno))
	if s.log != nil {
		answer := "0"
		if err != nil {
			answer = fmt.Sprintf("-1 %s (%v)", errno, err)
		}
		s.log.line(c, fmt.Sprintf("setsockopt(%d, SOL_SOCKET, %d, fd %d)", int32(fd), option, native.Uint32(value[:])), answer)
	}
}

func (s *supervisor) unfilter(inode uint64) {
	if f := s.filtered[inode]; f != nil {
		delete(s.filtered, inode)
		f.program.Close()
	}
}

// closedSockets lets go of the programs of sockets that are not where they were.
func (s *supervisor) closedSockets() {
	for inode, f := range s.filtered {
		var st unix.Stat_t
		path := fmt.Sprintf("/proc/%d/fd/%d", f.tid, f.fd)
		if unix.Stat(path, &st) != nil || st.Ino != inode {
			s.unfilter(inode)
		}
	}
}
