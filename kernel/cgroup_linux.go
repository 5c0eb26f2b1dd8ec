package kernel

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// cgroups are those that an environment has made. Its own lies in the cgroup that the
// program is in, and is threaded, as all in it: its processes are threads of the
// program, and threads can be in threaded cgroups alone. The descriptors are the first
// process's.
type cgroups struct {
	home int               // the program's, from which processes come
	own  int               // the environment's; 0: there is none yet
	name string            // of the environment's
	made map[uint64]string // paths in it, by id
	list []string          // the same in the order in which they were made
}

// cgroupKind is the kind of descriptors of cgroups in an fdTable.
const cgroupKind = "cgroup"

var ownCgroups atomic.Uint64

// NewCgroup makes a cgroup (mkdir(2)) and opens it.
func (k *Kernel) NewCgroup(spec mprog.CgroupSpec) (fd uint32, id uint64, err error) {
	p := k.Process
	p.mu.Lock()
	defer p.mu.Unlock()
	doErr := p.do(func() { id, err = k.onThreadNewCgroup(spec) })
	if err = p.cgroupFailure(mprog.OpNewCgroup, doErr, err); err != nil {
		return 0, 0, err
	}
	return p.fd, id, nil
}

// onThreadNewCgroup leaves the descriptor in p.fd.
func (k *Kernel) onThreadNewCgroup(spec mprog.CgroupSpec) (id uint64, err error) {
	c := &k.groups
	if err := c.open(k.fds); err != nil {
		return 0, err
	}
	name := spec.Name
	if spec.Parent != 0 {
		parent, err := c.path(spec.Parent)
		if err != nil {
			return 0, err
		}
		name = path.Join(parent, name)
	}
	if err := unix.Mkdirat(c.own, name, 0o755); err != nil {
		return 0, err
	}
	c.list = append(c.list, name)
	makeThreaded(c.own, name)
	fd, err := unix.Openat(c.own, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if id, err = inode(uint32(fd)); err != nil {
		return 0, err
	}
	c.made[id] = name
	k.adopt(fd, cgroupKind)
	return id, k.err
}

// RemoveCgroup removes a cgroup (rmdir(2)), and waits until the kernel has let go of what
// was attached to it.
func (k *Kernel) RemoveCgroup(fd uint32) error {
	p := k.Process
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	doErr := p.do(func() { err = k.onThreadRemoveCgroup(fd) })
	return p.cgroupFailure(mprog.OpRemoveCgroup, doErr, err)
}

func (k *Kernel) onThreadRemoveCgroup(fd uint32) error {
	c := &k.groups
	name, err := c.path(fd)
	if err != nil {
		return err
	}
	watch, err := k.watchCgroup(fd)
	if err != nil {
		return err
	}
	if err := unix.Unlinkat(c.own, name, unix.AT_REMOVEDIR); err != nil {
		return watch.stop(err)
	}
	c.list = slices.DeleteFunc(c.list, func(other string) bool { return other == name })
	return watch.wait()
}

// EnterCgroup moves the process to a cgroup (a write to cgroup.threads): EBADF for an fd
// that is not open, ENOTDIR for one that is no folder's.
func (p *Process) EnterCgroup(fd uint32) error {
	home := 0
	if p.first != p {
		p.first.mu.Lock()
		home = p.first.thread.tid
		p.first.mu.Unlock()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	doErr := p.do(func() { err = p.onThreadEnterCgroup(fd, home) })
	return p.cgroupFailure(mprog.OpEnterCgroup, doErr, err)
}

func (p *Process) onThreadEnterCgroup(fd uint32, first int) error {
	way, err := unix.Openat(int(fd), "cgroup.threads", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(way)
	if p.wayBack == 0 {
		if err := p.openWayBack(first); err != nil {
			return err
		}
	}
	switch err := moveHere(way); err {
	case nil:
		p.entered = fd
		return nil
	case unix.EOPNOTSUPP:
		return fmt.Errorf("%w: the program's cgroup has controllers, so that none in it can be threaded", mprog.ErrUnsupported)
	default:
		return err
	}
}

// openWayBack opens the list of threads of the cgroup that the process came from.
func (p *Process) openWayBack(first int) (err error) {
	if first == 0 {
		p.wayBack, err = unix.Openat(p.groups.home, "cgroup.threads", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	} else {
		p.wayBack, err = unix.Open(path.Join(descriptorOf(first, p.first.groups.home), "cgroup.threads"), unix.O_WRONLY|unix.O_CLOEXEC, 0)
	}
	if err == nil {
		p.wayBack, err = p.fds.hide(p.wayBack)
	}
	return err
}

// leaveCgroup moves the process back to where it came from. It runs on its thread.
func (p *Process) leaveCgroup() (err error) {
	if p.entered != 0 {
		err = moveHere(p.wayBack)
	}
	p.entered, p.wayBack = 0, 0
	return err
}

// moveHere moves the current thread to the cgroup of an open cgroup.threads.
func moveHere(threads int) error {
	_, err := unix.Write(threads, []byte("0"))
	return err
}

// removeCgroups removes what the environment has made. What was attached is let go of
// soon afterwards.
func (k *Kernel) removeCgroups() (err error) {
	p := k.Process
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &k.groups
	if c.own == 0 {
		return nil
	}
	doErr := p.do(func() {
		if err = p.leaveCgroup(); err != nil {
			return
		}
		for _, name := range slices.Backward(c.list) {
			if err = unix.Unlinkat(c.own, name, unix.AT_REMOVEDIR); err != nil {
				return
			}
		}
		err = unix.Unlinkat(c.home, c.name, unix.AT_REMOVEDIR)
	})
	*c = cgroups{}
	if err != nil {
		return fmt.Errorf("remove cgroups: %w", err)
	}
	return doErr
}

// cgroupFailure is failure for calls that are made in the file system.
func (p *Process) cgroupFailure(op mprog.Op, doErr, err error) error {
	if doErr != nil {
		return doErr
	}
	p.err = err
	return p.failure(op)
}

// path returns where the cgroup lies that an fd is of: EBADF when it is none of the
// environment's.
func (c *cgroups) path(fd uint32) (string, error) {
	id, err := inode(fd)
	if err != nil {
		return "", err
	}
	name, ok := c.made[id]
	if !ok {
		return "", unix.EBADF
	}
	return name, nil
}

// open makes the environment's cgroup, unless it has one.
func (c *cgroups) open(t *fdTable) (err error) {
	if c.own != 0 {
		return nil
	}
	mount, err := mountCgroup2()
	if err != nil {
		return fmt.Errorf("%w: the file system cgroup2: %v", mprog.ErrUnsupported, err)
	}
	defer unix.Close(mount)
	where, err := ownCgroup()
	if err != nil {
		return err
	}
	if c.home, err = openFolder(t, mount, where); err != nil {
		return fmt.Errorf("%w: open the program's cgroup %s: %v", mprog.ErrUnsupported, where, err)
	}
	name := fmt.Sprintf("nkconform-%d-%d", os.Getpid(), ownCgroups.Add(1))
	if err := unix.Mkdirat(c.home, name, 0o755); err != nil {
		return fmt.Errorf("%w: make a cgroup: %v", mprog.ErrUnsupported, err)
	}
	makeThreaded(c.home, name)
	own, err := openFolder(t, c.home, name)
	if err != nil {
		return err
	}
	c.own, c.name, c.made = own, name, map[uint64]string{}
	return nil
}

func openFolder(t *fdTable, at int, name string) (int, error) {
	fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	return t.hide(fd)
}

// makeThreaded lets threads into a cgroup. Where the kernel refuses, they cannot be moved,
// and that is said when one is to be.
func makeThreaded(at int, name string) {
	fd, err := unix.Openat(at, path.Join(name, "cgroup.type"), unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	_, _ = unix.Write(fd, []byte("threaded"))
}

// mountCgroup2 mounts the file system where nobody sees it.
func mountCgroup2() (fd int, err error) {
	context, err := unix.Fsopen("cgroup2", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(context)
	if err := unix.FsconfigCreate(context); err != nil {
		return -1, err
	}
	return unix.Fsmount(context, unix.FSMOUNT_CLOEXEC, 0)
}

// ownCgroup returns the path of the current thread's cgroup, without a slash in front.
func ownCgroup() (string, error) {
	text, err := os.ReadFile("/proc/thread-self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if where, ok := strings.CutPrefix(line, "0::/"); ok {
			return path.Clean(strings.TrimSpace(where)), nil
		}
	}
	return "", fmt.Errorf("%w: the program is in no cgroup of version 2", mprog.ErrUnsupported)
}

// inode returns the number of the file that an fd is of, which of a cgroup is its id.
func inode(fd uint32) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(int32(fd)), &st); err != nil {
		return 0, err
	}
	return st.Ino, nil
}

// descriptorOf is where another thread's descriptor is found.
func descriptorOf(tid, fd int) string {
	return "/proc/self/task/" + strconv.Itoa(tid) + "/fd/" + strconv.Itoa(fd)
}
