//go:build amd64 || arm64

package intercept

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// tree is a piece of the tree of files, to be seen where it was before.
type tree struct {
	path string
	fd   int
}

// keep copies a mount, or a piece of one, with what is mounted below.
func keep(name string) (tree, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, name, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return tree{}, fmt.Errorf("copy the mount at %s: %w", name, err)
	}
	return tree{name, fd}, nil
}

// restore puts it where it was, if there is such a place.
func (k tree) restore() error {
	defer unix.Close(k.fd)
	err := unix.MoveMount(k.fd, "", unix.AT_FDCWD, k.path, unix.MOVE_MOUNT_F_EMPTY_PATH)
	if err != nil && err != unix.ENOENT {
		return fmt.Errorf("mount %s again: %w", k.path, err)
	}
	return nil
}

// ownSysfs mounts a sysfs at /sys that shows the current thread's network
// namespace. What is mounted below stays.
func ownSysfs() error {
	const sys = "/sys"
	below, err := mountsBelow(sys)
	if err != nil {
		return fmt.Errorf("/sys shows the devices of the namespace outside: %w", err)
	}
	var list []tree
	for _, name := range below {
		if k, err := keep(name); err == nil { // or hidden by another one
			list = append(list, k)
		}
	}
	if err := unix.Mount("sysfs", sys, "sysfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		for _, k := range list {
			unix.Close(k.fd)
		}
		return fmt.Errorf("/sys shows the devices of the namespace outside: mount sysfs: %w", err)
	}
	return restoreAll(list)
}

func restoreAll(list []tree) (err error) {
	for _, k := range list {
		err = errors.Join(err, k.restore())
	}
	return err
}

// mountsBelow lists the mounts below a folder, without those that are below another
// one of them.
func mountsBelow(dir string) (list []string, err error) {
	f, err := os.Open("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 || !strings.HasPrefix(fields[4], dir+"/") {
			continue
		}
		if n := len(list); n > 0 && strings.HasPrefix(fields[4], list[n-1]+"/") {
			continue
		}
		list = append(list, fields[4])
	}
	return list, nil
}

// ownRun mounts a file system in memory at /run, in which what is there now is seen,
// but for the names of network namespaces: what the program adds, it adds for
// itself.
func ownRun() error {
	const run = "/run"
	info, err := os.Lstat(run)
	if err != nil || !info.IsDir() {
		return nil // there is nothing to be left in
	}
	entries, err := os.ReadDir(run)
	if err != nil {
		return fmt.Errorf("/run is the one outside: %w", err)
	}
	links := make(map[string]string)
	var list []tree
	for _, entry := range entries {
		name := path.Join(run, entry.Name())
		switch {
		case name == run+"/netns":
		case entry.Type()&fs.ModeSymlink != 0:
			if to, err := os.Readlink(name); err == nil {
				links[name] = to
			}
		default:
			if k, err := keep(name); err == nil { // or gone
				list = append(list, k)
			}
		}
	}
	folders := make(map[string]bool, len(entries))
	for _, entry := range entries {
		folders[path.Join(run, entry.Name())] = entry.IsDir()
	}
	if err := unix.Mount("tmpfs", run, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		for _, k := range list {
			unix.Close(k.fd)
		}
		return fmt.Errorf("/run is the one outside: mount tmpfs: %w", err)
	}
	for name, to := range links {
		_ = os.Symlink(to, name) // of an empty folder's names, none is taken
	}
	for _, k := range list {
		if folders[k.path] {
			_ = os.Mkdir(k.path, 0o755)
			continue
		}
		_ = os.WriteFile(k.path, nil, 0o600)
	}
	return restoreAll(list)
}
