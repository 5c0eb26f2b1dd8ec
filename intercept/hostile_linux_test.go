//go:build amd64 || arm64

package intercept

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// leavesNothing fails if, when f has returned and every fd of its is closed, there
// are programs or links left, or fds of the command that was this program's
// parent.
func leavesNothing(f func() error) error {
	if err := attachOnce(); err != nil { // whatever is opened for good is open now
		return err
	}
	before, err := openFDs(os.Getppid())
	if err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	n, err := count(loIndex, tcxIngress)
	_, progErr := bpfCall(11, words(0, 0, 0))
	_, linkErr := bpfCall(31, words(0, 0, 0))
	after := 0
	// The command may just be looking something up.
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		open, err := openFDs(os.Getppid())
		if after = open; err != nil || after <= before {
			break
		}
	}
	return errors.Join(err, want("programs left on lo", n, 0), want("programs left", progErr, unix.ENOENT),
		want("links left", linkErr, unix.ENOENT), want("the command's fds are more than before", after <= before, true))
}

func openFDs(pid int) (int, error) {
	list, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/fd")
	return len(list), err
}

// again prepares another target, with one more variable in its environment.
func again(name, variable string) *exec.Cmd {
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), targetVariable+"="+name, variable)
	c.Stderr = os.Stderr
	return c
}

// killedTarget kills programs in the middle of their calls.
func killedTarget() error {
	return leavesNothing(func() error {
		r := rand.New(rand.NewPCG(1, 1))
		for range 40 {
			c := again("ticking", "X=")
			out, err := c.StdoutPipe()
			if err != nil {
				return err
			}
			if err := c.Start(); err != nil {
				return err
			}
			_, err = io.CopyN(io.Discard, bufio.NewReaderSize(out, 16), int64(1+r.IntN(200)))
			if err := errors.Join(err, c.Process.Kill()); err != nil {
				return err
			}
			_ = c.Wait() // it was killed
		}
		return nil
	})
}

// tickingTarget makes calls, and tells after each few.
func tickingTarget() error {
	for {
		prog, err := loadProgram()
		if err != nil {
			return err
		}
		l, err := link(loIndex, prog, tcxIngress)
		if err != nil {
			return err
		}
		if _, err := os.Stdout.Write([]byte{'.'}); err != nil {
			return err
		}
		unix.Close(prog)
		unix.Close(l)
	}
}

const depthVariable = "INTERCEPT_TEST_DEPTH"

// forksTarget is a tree of programs, all alive at once, of which each attaches a
// program of its own, and leaves it to the kernel to clean up.
func forksTarget() error {
	const depth, width = 3, 3
	at, err := strconv.Atoi(os.Getenv(depthVariable))
	root := err != nil
	grow := func() error {
		if !root {
			prog, err := loadProgram()
			if err != nil {
				return err
			}
			if _, err := link(loIndex, prog, tcxIngress); err != nil {
				return err
			}
		}
		if at == depth {
			return nil
		}
		var children []*exec.Cmd
		for range width {
			c := again("forks", depthVariable+"="+strconv.Itoa(at+1))
			if err := c.Start(); err != nil {
				return err
			}
			children = append(children, c)
		}
		var all error
		for _, c := range children {
			all = errors.Join(all, c.Wait())
		}
		return all
	}
	if root {
		return leavesNothing(grow)
	}
	return grow()
}

// closedTarget uses fds that other threads close and replace at the same time.
// What they refer to when a call is answered is anybody's guess; that there is an
// answer which a kernel could give is not.
func closedTarget() error {
	const low, fds, threads, rounds, before = 100, 12, 4, 1500, 1 << 3 // BPF_F_BEFORE
	possible := []error{
		nil, unix.EBADF, unix.EINVAL, unix.EEXIST, unix.ENOENT, unix.ENOLINK, unix.EBUSY, unix.EPERM, unix.ESTALE, unix.EBADFD,
		unix.ERANGE,
	}
	work := func(seed uint64) error {
		r := rand.New(rand.NewPCG(2, seed))
		any := func() int { return low + r.IntN(fds) }
		info := make([]byte, 256)
		for range rounds {
			var err error
			switch r.IntN(8) {
			case 0:
				var prog int
				if prog, err = loadProgram(); err == nil {
					err = errors.Join(unix.Dup3(prog, any(), unix.O_CLOEXEC), unix.Close(prog))
				}
				if err != nil {
					return fmt.Errorf("load: %w", err)
				}
			case 1:
				var l int
				if l, err = link(loIndex, any(), tcxIngress); err == nil {
					err = errors.Join(unix.Dup3(l, any(), unix.O_CLOEXEC), unix.Close(l))
				}
			case 2:
				_ = unix.Close(any())
			case 3:
				if from, to := any(), any(); from != to {
					_ = unix.Dup3(from, to, unix.O_CLOEXEC)
				}
			case 4:
				err = attach(loIndex, any(), tcxIngress, 0)
			case 5:
				_, err = bpfCall(9, words(loIndex, uint32(any()), tcxIngress, 0))
			case 6:
				_, err = bpfCall(29, words(uint32(any()), uint32(any()), 0, 0))
			case 7:
				il, ih := address(&info[0])
				_, err = bpfCall(15, words(uint32(any()), uint32(len(info)), il, ih))
				clear(info)
			}
			if !slices.Contains(possible, err) {
				return fmt.Errorf("an answer that no kernel gives: %w", err)
			}
		}
		return nil
	}
	return leavesNothing(func() error {
		errs := make([]error, threads)
		var wg sync.WaitGroup
		for i := range threads {
			wg.Go(func() { errs[i] = work(uint64(i)) })
		}
		wg.Wait()
		err := errors.Join(errs...)
		for fd := range fds {
			_ = unix.Close(low + fd)
		}
		for { // programs attached without a link
			if _, detachErr := bpfCall(9, words(loIndex, 0, tcxIngress, before)); detachErr != nil {
				return errors.Join(err, want("the first was detached, until there was none", detachErr, unix.ENOENT))
			}
		}
	})
}

// addressesTarget passes addresses at the edges of what can be read and written.
func addressesTarget() error {
	pages, err := unix.Mmap(-1, 0, 3*unix.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return err
	}
	size := unix.Getpagesize()
	if err := errors.Join(unix.Mprotect(pages[size:2*size], unix.PROT_NONE), unix.Mprotect(pages[2*size:], unix.PROT_READ)); err != nil {
		return err
	}
	at := func(i int) uintptr { return uintptr(unsafe.Pointer(&pages[0])) + uintptr(i) }
	call := func(command int, address uintptr, length uint64) error {
		_, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(command), address, uintptr(length))
		if errno != 0 {
			return errno
		}
		return nil
	}
	query := words(loIndex, tcxIngress)
	copy(pages[size-8:], query)
	return errors.Join(
		want("a short attr at the end of memory", call(16, at(size-8), 8), unix.EFAULT), // the answer goes behind it
		want("beyond", call(16, at(size-8), 9), unix.EFAULT),
		want("unreadable", call(16, at(size), 8), unix.EFAULT),
		want("read-only", call(5, at(2*size), 64), unix.E2BIG), // no instructions
		want("null", call(16, 0, 64), unix.EFAULT),
		want("nothing, which is a cgroup by its fd 0", call(16, 0, 0), unix.EBADF),
		want("the kernel's", call(16, ^uintptr(4095), 64), unix.EFAULT),
		want("not canonical", call(16, 1<<60, 64), unix.EFAULT),
		want("more than a page", call(16, at(0), uint64(size)+1), unix.E2BIG),
		want("a size of 64 bits", call(16, at(0), 1<<32), unix.EBADF), // is one of 32: 0
		want("a negative size", call(16, at(0), ^uint64(0)), unix.E2BIG),
		want("no such command", call(-1, at(0), 64), unix.EINVAL),
	)
}

// attachOnce has a program on lo for a moment.
func attachOnce() error {
	prog, err := loadProgram()
	if err != nil {
		return err
	}
	l, err := link(loIndex, prog, tcxIngress)
	if err != nil {
		return err
	}
	return errors.Join(unix.Close(l), unix.Close(prog))
}
