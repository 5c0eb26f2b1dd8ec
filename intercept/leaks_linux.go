//go:build amd64 || arm64

package intercept

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/sim"
	"github.com/nkconform/nkconform/mprog"
)

// leaks lists what the program, and the kernel's own processes, have left.
func (s *supervisor) leaks(k *heldKernel) []fake.Left {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files.drain()
	numbers := s.fdNumbers()
	type numbered struct {
		fd   int
		left fake.Left
	}
	var open []numbered
	for key, f := range s.files.byKey {
		if f.object == nil || !k.sim.Owns(f.object) {
			continue
		}
		kind, what := k.sim.Leak(f.object)
		if kind == 0 {
			continue
		}
		fd, ok := numbers[key]
		who := fmt.Sprintf("fd %d", fd)
		if !ok {
			who = "an fd of another process"
		}
		open = append(open, numbered{fd, fake.Left{Kind: kind, What: who + " of " + what}})
	}
	slices.SortFunc(open, func(a, b numbered) int { return cmp.Compare(a.fd, b.fd) })
	var list []fake.Left
	for _, o := range open {
		list = append(list, o.left)
	}
	list = append(list, k.kernel.Leaks()...)
	list = append(list, k.sim.Lost()...)
	paths := s.pinPaths(k)
	var pins []fake.Left
	for key, what := range k.sim.Pinned() {
		path := cmp.Or(paths[key], what[1]) // where it was made, in another bpf file system
		pins = append(pins, fake.Left{Kind: fake.LeakedPins, What: fmt.Sprintf("pin %s of %s", path, what[0])})
	}
	slices.SortFunc(pins, func(a, b fake.Left) int { return cmp.Compare(a.What, b.What) })
	return append(list, pins...)
}

// fdNumbers finds the numbers that simulated files have in the program.
func (s *supervisor) fdNumbers() map[fileKey]int {
	numbers := make(map[fileKey]int)
	dir := "/proc/" + strconv.FormatUint(uint64(s.pid), 10) + "/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return numbers
	}
	for _, e := range entries {
		var st unix.Stat_t
		fd, err := strconv.Atoi(e.Name())
		if err == nil && unix.Stat(dir+"/"+e.Name(), &st) == nil {
			numbers[fileKey{st.Dev, st.Ino}] = fd
		}
	}
	return numbers
}

// pinPaths finds the paths of pins in the program's bpf file system.
func (s *supervisor) pinPaths(k *heldKernel) map[sim.PinKey]string {
	paths := make(map[sim.PinKey]string)
	root := "/proc/" + strconv.FormatUint(uint64(k.tid), 10) + "/root"
	_ = filepath.WalkDir(root+mprog.BPFFS, func(path string, _ fs.DirEntry, err error) error {
		var st unix.Stat_t
		if err == nil && unix.Lstat(path, &st) == nil {
			paths[sim.PinKey{Device: st.Dev, Inode: st.Ino}] = path[len(root):]
		}
		return nil
	})
	return paths
}
