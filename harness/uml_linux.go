package harness

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/harness/guest"
	"github.com/nkconform/nkconform/harness/image"
)

// uml runs a User-Mode Linux kernel, which is an ordinary program of the
// host, with the same initramfs as qemu.
type uml struct{}

func init() { register(uml{}) }

func (uml) Name() string    { return "uml" }
func (uml) slowness() int   { return 1 }
func (uml) quick() bool     { return true }
func (uml) HostFiles() bool { return false }

func (uml) boots(k image.Kind) bool { return k == image.UML }

// Available returns nil: the image is all there is to a machine.
func (uml) Available() error { return nil }

func (uml) Run(ctx context.Context, c Command) (Result, error) {
	if c.CPUs > 1 {
		return Result{}, &UnavailableError{"uml", fmt.Sprintf("a User-Mode Linux has one processor, not %d", c.CPUs)}
	}
	initrd, err := pack(c)
	if err != nil {
		return Result{}, err
	}
	defer initrd.Close()
	// Its sockets go into a directory of their own, and that with the run.
	dir, err := runDir("uml")
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(dir)
	return run(ctx, c, program{
		argv:  func(string) []string { return umlArgs(c, dir) },
		files: []*os.File{initrd},
		pin:   true,
		own:   dir,
	}, "uml")
}

func umlArgs(c Command, dir string) []string {
	return append([]string{
		c.Image.Kernel,
		fmt.Sprintf("mem=%dM", cmp.Or(c.Memory, DefaultMemory)),
		"seccomp=on", // faster than ptrace, where the kernel has it
		"uml_dir=" + dir + "/",
		fmt.Sprintf("initrd=/proc/self/fd/%d", firstFile),
		"con=null", "con0=null,fd:1", "ssl=null", fmt.Sprintf("ssl0=null,fd:%d", portFD),
		guest.Env + "=init:/dev/ttyS0", guest.HangEnv + "=" + c.hang("uml").String(),
		"panic=-1",
		"rcupdate.rcu_expedited=1",
		"lpj=1000000", // else it measures for half of the boot; no device here waits for so many loops
	}, c.KernelArgs...)
}

// nextCPU counts the User-Mode Linux processes started, so that they spread; other
// commands that do the same at this time most likely begin at another processor.
var nextCPU atomic.Uint32

// pin ties the calling thread to one processor, so that what it starts stays
// there, and returns what undoes that for the thread: a User-Mode Linux that
// wanders among processors is ten times slower.
func pin() (undo func(), err error) {
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return nil, fmt.Errorf("get processors: %w", err)
	}
	skip := (os.Getpid() + int(nextCPU.Add(1))) % all.Count()
	for cpu := 0; ; cpu++ {
		if !all.IsSet(cpu) {
			continue
		}
		if skip == 0 {
			one.Set(cpu)
			break
		}
		skip--
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return nil, fmt.Errorf("pin to one processor: %w", err)
	}
	return func() { _ = unix.SchedSetaffinity(0, &all) }, nil
}
