//go:build amd64 || arm64

package intercept

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/fuse"
)

// magics are what statfs(2) says of file systems that are simulated as trees.
var magics = map[string]int64{
	"tracefs": unix.TRACEFS_MAGIC, "debugfs": unix.DEBUGFS_MAGIC, "cgroup2": unix.CGROUP2_SUPER_MAGIC,
	"kallsyms": unix.PROC_SUPER_MAGIC,
}

// inUserNamespace reports whether this program was started again as root of a user
// namespace, which is root in name only.
func inUserNamespace() bool { return os.Getenv(insideVariable) != "" }

// mountTrees mounts what programs find without mounting it: tracefs, and where the
// caller is no real root, cgroup2 and a kallsyms with addresses. Where FUSE cannot be had, they do without, which is
// told when they look for it.
func (s *supervisor) mountTrees() {
	const tracing = "/sys/kernel/tracing"
	if info, err := os.Stat(tracing); err == nil && info.IsDir() {
		if err := s.mountNew("tracefs", tracing); err != nil {
			s.noTrees = err
			return
		}
	}
	// Debugfs, with tracefs in it, is where a system has mounted it; or nobody could read it.
	var debug unix.Statfs_t
	if unix.Statfs("/sys/kernel/debug", &debug) == nil && (debug.Type != unix.DEBUGFS_MAGIC || inUserNamespace()) {
		if err := s.mountNew("debugfs", "/sys/kernel/debug"); err != nil {
			s.noTrees = err
		}
	}
	if !inUserNamespace() {
		return
	}
	if err := s.mountNew("kallsyms", "/proc/kallsyms"); err != nil {
		s.noTrees = err
	}
	for _, dir := range cgroupMounts() {
		if err := s.mountNew("cgroup2", dir); err != nil {
			s.noTrees = err
		}
	}
}

// mountTree mounts a simulated file system where the current thread sees it. It
// fails with EBUSY where there is one of the kind already.
func (s *supervisor) mountTree(kind, dir string) error {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	if s.magicOf(st.Dev) == magics[kind] {
		return fmt.Errorf("mount %s: %s is there: %w", dir, kind, unix.EBUSY)
	}
	return s.mountNew(kind, dir)
}

// mountNew is mountTree where there is none. Nothing is asked of the new file system
// yet, which would wait for its server.
func (s *supervisor) mountNew(kind, dir string) error {
	root := s.tracefs.root
	switch kind {
	case "debugfs":
		root = fuse.Folder()
		root.Add("tracing", s.tracefs.root)
	case "cgroup2":
		root = s.cgroupTree(dir)
	case "kallsyms":
		root = &fuse.Node{Read: s.symbols.names}
	}
	server, err := fuse.Mount(root, kind, dir)
	if err != nil {
		return err
	}
	s.servers = append(s.servers, server)
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	s.newTrees = append(s.newTrees, newTree{fd, magics[kind]})
	return nil
}

// newTree is a mounted tree of which nobody has asked what device it is.
type newTree struct {
	fd    int
	magic int64
}

// magicOf is what statfs(2) says of a simulated file system, by its device; 0 for any
// other.
func (s *supervisor) magicOf(device uint64) int64 {
	for _, tree := range s.newTrees {
		var st unix.Stat_t
		if unix.Fstat(tree.fd, &st) == nil {
			s.magic[st.Dev] = tree.magic
		}
		unix.Close(tree.fd)
	}
	s.newTrees = nil
	return s.magic[device]
}

// cgroupMounts lists where cgroup2 is mounted.
func cgroupMounts() (list []string) {
	f, err := os.Open("/proc/thread-self/mountinfo")
	if err != nil {
		return nil
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		if len(fields) > 4 && strings.HasPrefix(after, "cgroup2 ") && !slices.Contains(list, fields[4]) {
			list = append(list, fields[4])
		}
	}
	return list
}

// tellTrees says that there are no such file systems, to who looks for them.
func (s *supervisor) tellTrees() {
	if s.noTrees != nil {
		s.warn(fmt.Sprintf("no tracefs, and for ordinary users neither cgroups of their own nor addresses in kallsyms: %v%s", s.noTrees, seeDoctor))
	}
}
