package kernel

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// pinCPU keeps the current thread on the first of its CPUs until restore is
// called. Where the system refuses, all stays as it is.
func pinCPU() (restore func()) {
	var all unix.CPUSet
	if unix.SchedGetaffinity(0, &all) != nil {
		return func() {}
	}
	if cpus := listCPUs(&all, 1); len(cpus) == 0 || keepOnCPU(cpus[0]) != nil {
		return func() {}
	}
	return func() { _ = unix.SchedSetaffinity(0, &all) }
}

// keepOnCPU keeps the current thread on a CPU.
func keepOnCPU(cpu int) error {
	var one unix.CPUSet
	one.Set(cpu)
	return unix.SchedSetaffinity(0, &one)
}

// listCPUs lists the CPUs of a set, up to so many.
func listCPUs(set *unix.CPUSet, most int) (cpus []int) {
	for cpu := 0; len(cpus) < min(most, set.Count()); cpu++ {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}

// settle returns when the pins removed before have let go of their references.
//
// The kernel does that in a callback of RCU. Callbacks of one CPU run in order, so
// settle pins a program of its own, unlinks it on the same CPU as its caller did,
// and waits until it is gone. It runs on the first process's thread, which has
// the capabilities for that. The caller holds its own lock.
func (p *Process) settle(caller *Process) error {
	if p != caller {
		p.mu.Lock()
		defer p.mu.Unlock()
	}
	if err := p.do(func() { p.err = p.onThreadSettle() }); err != nil {
		return err
	}
	return p.failure(mprog.OpUnlink)
}

const settlePath = mprog.BPFFS + "/nkconform-settle"

// settlePatience is far more than a grace period takes, lazy ones included, which
// take ten seconds.
const settlePatience = 30 * time.Second

func (p *Process) onThreadSettle() error {
	id, err := p.pinAndUnlink()
	if err != nil {
		return fmt.Errorf("pin and unlink a program: %v", err)
	}
	for start := time.Now(); time.Since(start) < settlePatience; {
		fd, err := p.raw(attr.ProgGetFDByID, attr.EncodeFDByID(&p.attr, mprog.IDRequest{ID: id}))
		if err == unix.ENOENT {
			return nil
		}
		if err == nil {
			unix.Close(fd)
		}
		pause()
	}
	return fmt.Errorf("the kernel has not let go of what was pinned within %s", settlePatience)
}

// pinAndUnlink leaves a program with an id but without any reference but that of
// an unlinked pin.
func (p *Process) pinAndUnlink() (id uint32, err error) {
	fd, err := load(mprog.ProgSpec{Type: mprog.SocketFilter, Name: "settle"}, constant(0))
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	if id, err = p.objectID(fd); err != nil {
		return 0, err
	}
	pin := mprog.PinRequest{FD: uint32(fd)}
	if _, err := p.raw(attr.ObjPin, attr.EncodePin(&p.attr, pin, p.setPath(settlePath))); err != nil {
		return 0, err
	}
	defer pinCPU()()
	return id, unix.Unlink(settlePath)
}

// pause lets the rest of the system go on for a moment.
func pause() {
	moment := unix.NsecToTimespec(20_000)
	_ = unix.Nanosleep(&moment, nil)
}
