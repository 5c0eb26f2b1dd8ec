package kernel

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// NewProcess starts another process in the environment, which lives until
// [Process.Exit] or Shutdown. As after fork(2), it has the first process's
// programs and links at the same descriptors, as references of its own.
func (k *Kernel) NewProcess(spec mprog.ProcessSpec) (mprog.Process, error) {
	p, err := k.newProcess(spec)
	if err != nil {
		return nil, fmt.Errorf("new process: %w", err)
	}
	return p, nil
}

func (k *Kernel) newProcess(spec mprog.ProcessSpec) (*Process, error) {
	netns, err := k.namespace(spec.Netns)
	if err == nil && netns.closed {
		err = plainErrno(k.onThread(netns.enter)) // EBADF
	}
	if err != nil {
		return nil, err
	}
	parent, err := k.inheritance()
	if err != nil {
		return nil, err
	}
	k.Process.mu.Lock()
	label := k.label
	k.Process.mu.Unlock()
	moveIn := func(p *Process) error {
		if err := p.inherit(parent); err != nil {
			return err
		}
		p.first = k.Process
		if parent.entered != 0 {
			if err := p.onThreadEnterCgroup(parent.entered, parent.tid); err != nil {
				return err
			}
		}
		if err := nameThread(label); err != nil {
			return err
		}
		return dropCapabilities(spec.Without...)
	}
	p := k.idle.take(spec.Netns == 0)
	if p == nil {
		p, err = startProcess(func() error {
			if err := parent.enterMounts(); err != nil {
				return err
			}
			return enterFrom(parent.tid, netns.fd)
		}, moveIn)
	} else {
		_ = p.do(func() {
			if err = p.reborn(parent); err == nil {
				err = moveIn(p)
			}
		})
	}
	if err != nil {
		if p != nil {
			_ = p.Exit()
		}
		return nil, err
	}
	p.first, p.bpffs, p.mounts = k.Process, &parent.bpffs, p.mounts || parent.bpffs == nil
	if spec.Netns == 0 {
		p.idle = &k.idle
	} else {
		k.Process.mu.Lock()
		p.abroad = netns
		netns.residents++
		k.Process.mu.Unlock()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.children = append(k.children, p)
	return p, nil
}

// reborn readies a process's thread that has been another's.
func (p *Process) reborn(parent *inheritance) error {
	if err := raiseCapabilities(); err != nil || p.mounts {
		return err
	}
	return parent.enterMounts()
}

// enterMounts moves the current thread to where the parent's bpf file system is.
func (h *inheritance) enterMounts() error {
	if h.bpffs != nil { // it has none
		return nil
	}
	return enterMounts(h.tid)
}

// inheritance is what a process passes on.
type inheritance struct {
	tid     int
	objects map[int]mprog.ObjectInfo // by descriptor
	next    int                      // see fdTable
	limit   int
	bpffs   error // why there is no bpf file system
	cgroups []int // descriptors of cgroups
	entered uint32
}

func (p *Process) inheritance() (*inheritance, error) {
	p.mu.Lock()
	open, err := p.openBPF()
	cgroups, entered := p.openCgroups(), p.entered
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	h := &inheritance{objects: map[int]mprog.ObjectInfo{}, cgroups: cgroups, entered: entered}
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
	h.bpffs = p.needBPFFS()
	h.tid, h.next, h.limit = p.thread.tid, p.fds.next, p.fds.limit
	return h, nil
}

// openBPF lists the descriptors of BPF objects. The caller holds p.mu.
func (p *Process) openBPF() (fds []int, err error) {
	err = p.do(func() {
		for fd := range p.fds.kinds {
			if kind, kindErr := p.fds.kind(uint32(fd)); kindErr == nil && kind != cgroupKind {
				fds = append(fds, fd)
			}
		}
	})
	return fds, err
}

// openCgroups lists the descriptors of cgroups. The caller holds p.mu.
func (p *Process) openCgroups() (fds []int) {
	for fd, kind := range p.fds.kinds {
		if kind == cgroupKind {
			fds = append(fds, fd)
		}
	}
	return fds
}

// inherit opens the objects again, by their ids, which takes CAP_SYS_ADMIN.
func (p *Process) inherit(from *inheritance) error {
	for number, object := range from.objects {
		fd, err := p.openByID(object)
		if err != nil {
			return fmt.Errorf("inherit fd %d: %w", number, err)
		}
		if err := p.renumber(fd, number); err != nil {
			return err
		}
		p.fds.kinds[number] = objectKinds[object.Kind]
	}
	for _, number := range from.cgroups {
		fd, err := unix.Open(descriptorOf(from.tid, number), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err == unix.ENOENT { // it has been removed, and cannot be opened again
			return fmt.Errorf("%w: a process that inherits an fd of a removed cgroup", mprog.ErrUnsupported)
		}
		if err != nil {
			return fmt.Errorf("inherit fd %d of a cgroup: %v", number, err)
		}
		if err := p.renumber(fd, number); err != nil {
			return err
		}
		p.fds.kinds[number] = cgroupKind
	}
	p.fds.next, p.fds.limit = max(p.fds.first, from.next), from.limit
	return nil
}

// renumber moves a new descriptor to a number.
func (p *Process) renumber(fd, number int) error {
	if fd == number {
		return nil
	}
	if err := unix.Dup3(fd, number, unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("inherit fd %d: %w", number, err)
	}
	unix.Close(fd)
	return nil
}

var objectKinds = map[mprog.ObjectKind]string{mprog.ProgObject: "prog", mprog.LinkObject: "link"}

func (p *Process) openByID(object mprog.ObjectInfo) (fd int, err error) {
	cmd := attr.ProgGetFDByID
	if object.Kind == mprog.LinkObject {
		cmd = attr.LinkGetFDByID
	}
	return p.raw(cmd, attr.EncodeFDByID(&p.attr, mprog.IDRequest{ID: object.ID}))
}
