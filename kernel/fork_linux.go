package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// ProcessSpec says in what a further process differs from the first.
type ProcessSpec struct {
	// Drop holds the capabilities to do without, such as unix.CAP_NET_ADMIN.
	Drop []int
	// NewNetNS is for a network namespace of its own.
	NewNetNS bool
}

// Fork starts another process in the environment, which lives until
// [Process.Exit] or Shutdown. As after fork(2), it has the first process's
// programs and links at the same descriptors, as references of its own.
func (k *Kernel) Fork(spec ProcessSpec) (*Process, error) {
	parent, err := k.inheritance()
	if err != nil {
		return nil, fmt.Errorf("fork: %w", err)
	}
	p, err := startProcess(func() error {
		if spec.NewNetNS {
			return unix.Unshare(unix.CLONE_NEWNET)
		}
		return enterNetNS(parent.tid)
	})
	if err != nil {
		return nil, fmt.Errorf("fork: %w", err)
	}
	_ = p.do(func() {
		if err = p.fds.inherit(parent); err == nil {
			err = dropCapabilities(spec.Drop...)
		}
	})
	if err != nil {
		p.Exit()
		return nil, fmt.Errorf("fork: %w", err)
	}
	k.forks.Lock()
	defer k.forks.Unlock()
	k.children = append(k.children, p)
	return p, nil
}

// Exit ends the process. When it returns, its descriptors are closed, and what
// only they referred to, such as links, is released. Later calls fail.
func (p *Process) Exit() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.thread != nil {
		p.thread.stop()
		p.thread = nil
	}
}

// enterNetNS moves the current thread into another thread's network namespace.
func enterNetNS(tid int) error {
	f, err := os.Open("/proc/self/task/" + strconv.Itoa(tid) + "/ns/net")
	if err != nil {
		return err
	}
	defer f.Close()
	return os.NewSyscallError("setns", unix.Setns(int(f.Fd()), unix.CLONE_NEWNET))
}

// inheritance is what a process passes on.
type inheritance struct {
	tid     int
	objects map[int]mprog.ObjectInfo // by descriptor
	next    int                      // see fdTable
	limit   int
}

func (p *Process) inheritance() (*inheritance, error) {
	p.mu.Lock()
	open, err := p.openBPF()
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	h := &inheritance{objects: map[int]mprog.ObjectInfo{}}
	for _, fd := range open {
		info, err := p.ObjectInfo(uint32(fd))
		if err != nil {
			return nil, err
		}
		h.objects[fd] = info
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.thread == nil {
		return nil, errExited
	}
	h.tid, h.next, h.limit = p.thread.tid, p.fds.next, p.fds.limit
	return h, nil
}

// openBPF lists the descriptors of BPF objects. The caller holds p.mu.
func (p *Process) openBPF() (fds []int, err error) {
	doErr := p.do(func() {
		var all []int
		all, err = listFDs()
		for _, fd := range all {
			if _, kindErr := p.fds.kind(uint32(fd)); kindErr == nil {
				fds = append(fds, fd)
			}
		}
	})
	return fds, errors.Join(doErr, err)
}

// inherit opens the objects again, by their ids, which take CAP_SYS_ADMIN.
func (t *fdTable) inherit(from *inheritance) error {
	for number, object := range from.objects {
		fd, err := openByID(object)
		if err != nil {
			return fmt.Errorf("inherit fd %d: %w", number, err)
		}
		if fd == number {
			continue
		}
		if err := unix.Dup3(fd, number, unix.O_CLOEXEC); err != nil {
			return fmt.Errorf("inherit fd %d: %w", number, err)
		}
		unix.Close(fd)
	}
	t.next, t.limit = max(t.first, from.next), from.limit
	return nil
}

func openByID(object mprog.ObjectInfo) (fd int, err error) {
	cmd := attr.Command(unix.BPF_PROG_GET_FD_BY_ID)
	if object.Kind == mprog.LinkObject {
		cmd = unix.BPF_LINK_GET_FD_BY_ID
	}
	request := new([12]byte) // id, next_id, open_flags
	binary.NativeEndian.PutUint32(request[:], object.ID)
	fd, errno := bpf(cmd, unsafe.Pointer(request), uint32(len(request)))
	if errno != 0 {
		return -1, errno
	}
	return fd, nil
}
