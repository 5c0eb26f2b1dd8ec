//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/fuse"
)

// What an ordinary user finds at a mount of cgroup2: the running kernel's cgroups, which
// can be looked at, and such as the program makes, which are its own alone.

// madeCgroup is a cgroup that the program has made.
type madeCgroup struct {
	mu        sync.Mutex
	processes []int
}

// cgroupTree shows what is at a mount now.
func (s *supervisor) cgroupTree(dir string) *fuse.Node {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return s.ownCgroup(&fuse.Node{})
	}
	return s.realCgroup("/proc/self/fd/" + strconv.Itoa(fd)) // which stays open
}

// realCgroup is one of the running kernel's.
func (s *supervisor) realCgroup(dir string) *fuse.Node {
	n := s.makesCgroups(fuse.Folder())
	n.Fill = func(n *fuse.Node) {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			at := path.Join(dir, e.Name())
			if e.IsDir() {
				n.Add(e.Name(), s.realCgroup(at))
				continue
			}
			n.Add(e.Name(), &fuse.Node{
				Read: func() []byte {
					data, _ := os.ReadFile(at)
					return data
				},
				Write: func(p []byte) syscall.Errno {
					err := os.WriteFile(at, p, 0)
					if err == nil {
						return 0
					}
					s.warn(fmt.Sprintf("cgroup2: %s cannot be written by an ordinary user: refused", e.Name()))
					return syscall.EACCES
				},
			})
		}
	}
	return n
}

// makesCgroups has a folder in which cgroups can be made and removed.
func (s *supervisor) makesCgroups(n *fuse.Node) *fuse.Node {
	n.Mkdir = func(name string) (*fuse.Node, syscall.Errno) {
		if n.Child(name) != nil {
			return nil, syscall.EEXIST
		}
		return n.Add(name, s.ownCgroup(fuse.Folder())), 0
	}
	n.Rmdir = func(name string) syscall.Errno {
		child := n.Child(name)
		switch {
		case child == nil:
			return syscall.ENOENT
		case !child.Folder():
			return syscall.ENOTDIR
		case slices.ContainsFunc(child.Names(), func(name string) bool { return child.Child(name).Folder() }):
			return syscall.EBUSY
		case child.Child("cgroup.type") == nil || child.Child("cgroup.type").Write == nil:
			return syscall.EBUSY // the running kernel's
		}
		n.Remove(name)
		return 0
	}
	return n
}

// ownCgroup is one that the program makes.
func (s *supervisor) ownCgroup(n *fuse.Node) *fuse.Node {
	s.makesCgroups(n)
	made := new(madeCgroup)
	for name, content := range map[string]string{
		"cgroup.controllers": "\n", "cgroup.events": "populated 0\nfrozen 0\n", "cgroup.stat": "nr_descendants 0\nnr_dying_descendants 0\n",
	} {
		n.Add(name, &fuse.Node{Read: func() []byte { return []byte(content) }})
	}
	refuse := func([]byte) syscall.Errno { return syscall.EOPNOTSUPP }
	n.Add("cgroup.type", &fuse.Node{Read: func() []byte { return []byte("domain\n") }, Write: refuse})
	n.Add("cgroup.subtree_control", &fuse.Node{Read: func() []byte { return []byte("\n") }, Write: refuse})
	n.Add("cgroup.procs", &fuse.Node{
		Read: func() (list []byte) {
			made.mu.Lock()
			defer made.mu.Unlock()
			for _, pid := range made.processes {
				list = fmt.Appendf(list, "%d\n", pid)
			}
			return list
		},
		Write: func(p []byte) syscall.Errno {
			pid, err := strconv.Atoi(string(bytes.TrimSpace(p)))
			if err != nil {
				return syscall.EINVAL
			}
			if unix.Kill(pid, 0) == unix.ESRCH {
				return syscall.ESRCH
			}
			s.warn("cgroup2: processes are noted in cgroups that the program has made, and stay where they are")
			made.mu.Lock()
			defer made.mu.Unlock()
			if !slices.Contains(made.processes, pid) {
				made.processes = append(made.processes, pid)
			}
			return 0
		},
	})
	return n
}
