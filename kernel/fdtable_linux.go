package kernel

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// fdTable is the table of file descriptors of one thread.
//
// Numbers are handed out in rising order and, unlike the kernel's, not used
// again soon after a close, so that a stale number is EBADF instead of some
// other object.
type fdTable struct {
	inherited []int // what the Go runtime needs on every thread, and what is kept or hidden
	kept      int   // how many of these closeAll leaves open
	standard  int   // how many of 0 and 1, which are /dev/null, have been closed
	first     int   // lowest number handed out
	next      int   // lowest number not yet handed out
	limit     int   // numbers end in front of it, and start at first again; beyond is the shelf

	// kinds are those of the objects that are open; "" is unknown. Asking procfs costs
	// more than most calls.
	kinds map[int]string
	// told is what is known of programs on the shelf, which never changes.
	told map[int]mprog.ObjectInfo
}

// maxFD limits the kernel's memory for one table to a megabyte or so.
const maxFD = 1 << 16

// shelfRoom is for how many programs the numbers beyond the limit are; see shelf.
const shelfRoom = 256

// unshareFDs gives the calling thread a table of its own, in which nothing is
// open but what the Go runtime itself uses on any thread: standard error, for
// its last words, and its pollers. Standard input and output are /dev/null.
func unshareFDs() (*fdTable, error) {
	kept, err := runtimeFDs()
	if err != nil {
		return nil, err
	}
	flags := uint(unix.CLOSE_RANGE_UNSHARE)
	next := 0
	for _, fd := range append(slices.Clone(kept), math.MaxInt32) {
		if fd > next {
			if err := unix.CloseRange(uint(next), uint(fd-1), flags); err != nil {
				return nil, fmt.Errorf("unshare file descriptors: %w", err)
			}
			flags = 0
		}
		next = fd + 1
	}
	limit, err := limitFDs()
	if err != nil {
		return nil, err
	}
	t := &fdTable{standard: 2, kinds: map[int]string{}, told: map[int]mprog.ObjectInfo{}, inherited: slices.Clone(kept), limit: limit}
	t.begin()
	return t, t.openStandard()
}

// openStandard opens those of 0 and 1 that are not open.
func (t *fdTable) openStandard() error {
	for ; t.standard > 0; t.standard-- { // each gets the lowest free number
		if _, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
			return fmt.Errorf("open /dev/null: %w", err)
		}
	}
	return nil
}

var limitFDs = sync.OnceValues(func() (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("getrlimit: %w", err)
	}
	return int(min(limit.Cur, maxFD)) - shelfRoom, nil
})

// runtimeFDs finds what the Go runtime uses on any thread, once: standard error, and
// the epoll instance and eventfd with which it wakes a thread that waits for the
// network.
var runtimeFDs = sync.OnceValues(func() ([]int, error) {
	startPoller()
	fds, err := listFDs()
	if err != nil {
		return nil, err
	}
	kept := []int{unix.Stderr}
	for _, fd := range fds {
		target, _ := readFD(fd) // the list's own is closed by now
		if target == "anon_inode:[eventpoll]" || target == "anon_inode:[eventfd]" {
			kept = append(kept, fd)
		}
	}
	if len(kept) < 3 {
		return nil, errors.New("the Go runtime's epoll instance is missing")
	}
	slices.Sort(kept)
	return kept, nil
})

// startPoller has the Go runtime make its epoll instance, as for any timer.
func startPoller() { time.AfterFunc(time.Hour, func() {}).Stop() }

// begin hands out numbers from above those that must not be touched.
func (t *fdTable) begin() {
	t.kept = len(t.inherited)
	t.first = max(2, slices.Max(t.inherited)) + 1
	t.next = t.first
}

// keep puts a descriptor out of reach, as if it did not exist. None may have been
// handed out.
func (t *fdTable) keep(fd int) {
	t.inherited = append(t.inherited, fd)
	t.begin()
}

// hide moves a new descriptor out of reach, until all are closed.
func (t *fdTable) hide(fd int) (int, error) {
	fd, err := t.adopt(fd, "")
	if err == nil {
		t.inherited = append(t.inherited, fd)
	}
	return fd, err
}

// closeHidden closes a descriptor that was hidden.
func (t *fdTable) closeHidden(fd int) error {
	t.inherited = slices.DeleteFunc(t.inherited, func(other int) bool { return other == fd })
	return t.close(uint32(fd))
}

const fdDirectory = "/proc/thread-self/fd"

// listFDs lists the current thread's open descriptors.
func listFDs() ([]int, error) {
	entries, err := os.ReadDir(fdDirectory)
	if err != nil {
		return nil, fmt.Errorf("list file descriptors: %w", err)
	}
	fds := make([]int, len(entries))
	for i, e := range entries {
		if fds[i], err = strconv.Atoi(e.Name()); err != nil {
			return nil, fmt.Errorf("list file descriptors: %w", err)
		}
	}
	return fds, nil
}

// readFD returns what a descriptor refers to, in the words of proc(5).
func readFD(fd int) (string, error) {
	return os.Readlink(fdDirectory + "/" + strconv.Itoa(fd))
}

// adopt moves a new descriptor to the next free number. The kind may be unknown.
func (t *fdTable) adopt(fd int, kind string) (int, error) {
	t.wrap()
	if t.next <= fd && fd < t.limit { // the lowest of all free numbers
		t.next = fd + 1
		t.kinds[fd] = kind
		return fd, nil
	}
	moved, err := t.number(uintptr(fd))
	_ = closeFD(uint32(fd))
	if err == nil {
		t.kinds[moved] = kind
	}
	return moved, err
}

// dup is dup(2) for any descriptor but those out of reach.
func (t *fdTable) dup(fd uint32) (int, error) {
	if slices.Contains(t.inherited, int(fd)) {
		return -1, unix.EBADF
	}
	n, err := t.number(uintptr(fd))
	if err == nil {
		t.kinds[n] = t.kinds[int(fd)]
	}
	return n, err
}

func (t *fdTable) wrap() {
	if t.next >= t.limit {
		t.next = t.first
	}
}

// number gives an open descriptor the next free number as well.
func (t *fdTable) number(fd uintptr) (int, error) {
	t.wrap()
	n, err := t.dupBelow(fd, t.next)
	if err == unix.EMFILE && t.next != t.first { // all higher numbers are in use
		n, err = t.dupBelow(fd, t.first)
	}
	if err != nil {
		return -1, err
	}
	t.next = n + 1
	return n, nil
}

// dupBelow gives an open descriptor a number from lowest to the limit. EMFILE says that
// all of these are in use.
func (t *fdTable) dupBelow(fd uintptr, lowest int) (int, error) {
	n, err := dupFD(fd, lowest)
	if err == nil && n >= t.limit {
		_ = closeFD(uint32(n))
		return -1, unix.EMFILE
	}
	return n, err
}

// close closes any descriptor but those out of reach, which do not exist for the
// caller.
func (t *fdTable) close(fd uint32) error {
	if slices.Contains(t.inherited, int(fd)) {
		return unix.EBADF
	}
	delete(t.kinds, int(fd))
	err := closeFD(fd)
	if err == nil && fd < 2 {
		t.standard++
	}
	return err
}

// closeAll closes every descriptor up to the last one but those that are kept, and
// begins again.
func (t *fdTable) closeAll(last int) error {
	untouched := t.next == t.first && last < t.limit
	t.next, t.inherited = t.first, t.inherited[:t.kept]
	clear(t.kinds)
	if err := t.openStandard(); err != nil || untouched {
		return err
	}
	return closeRange(t.first, last)
}

// kind returns what kind of BPF object an open fd refers to, "prog", "link", "map"
// and so on, as procfs shows it.
func (t *fdTable) kind(fd uint32) (string, error) {
	if kind := t.kinds[int(fd)]; kind != "" {
		return kind, nil
	}
	target, err := readFD(int(fd))
	if err != nil {
		return "", err
	}
	// anon_inode:bpf-prog, anon_inode:bpf_link or, in newer kernels, with
	// brackets.
	name := strings.Trim(strings.TrimPrefix(target, "anon_inode:"), "[]")
	for _, prefix := range []string{"bpf-", "bpf_"} {
		if kind, ok := strings.CutPrefix(name, prefix); ok {
			return kind, nil
		}
	}
	return "", fmt.Errorf("fd %d is %s, not a BPF object", fd, target)
}
