package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/harness/guest"
	"github.com/nkconform/nkconform/harness/image"
)

// qemu boots a kernel in QEMU's microvm with an initramfs that holds the
// command and what it needs, and nothing else.
type qemu struct{}

func init() { register(qemu{}) }

// muchPacked is what a guest without KVM takes some ten seconds to unpack, in bytes.
const muchPacked = 256 << 20

const qemuProgram = "qemu-system-x86_64"

func (qemu) Name() string    { return "qemu" }
func (qemu) slowness() int   { return 2 }
func (qemu) quick() bool     { return true }
func (qemu) HostFiles() bool { return false }

func (qemu) boots(k image.Kind) bool { return k == image.BZImage }

func (qemu) Available() error {
	if runtime.GOARCH != "amd64" {
		return &UnavailableError{"qemu", "it boots x86-64 kernels with this program as their init, so it needs an x86-64 host"}
	}
	if _, err := exec.LookPath(qemuProgram); err != nil {
		return &UnavailableError{"qemu", qemuProgram + " is not installed: install the package qemu-system-x86, or run scripts/vm-deps.sh"}
	}
	return nil
}

func (q qemu) Run(ctx context.Context, c Command) (Result, error) {
	if err := q.Available(); err != nil {
		return Result{}, err
	}
	initrd, err := pack(c)
	if err != nil {
		return Result{}, err
	}
	defer initrd.Close()
	fi, err := initrd.Stat()
	if err != nil {
		return Result{}, fmt.Errorf("measure initramfs: %w", err)
	}
	if fi.Size() > muchPacked {
		c.note("%d MiB are packed for the guest, which takes it long to unpack", fi.Size()>>20)
	}
	kernel, err := c.Image.VMLinux(ctx)
	if errors.Is(err, image.ErrNotKernel) {
		return Result{}, &BootError{Image: c.Image.Ref, Reason: err.Error()}
	}
	if err != nil {
		kernel = c.Image.Kernel
		c.note("the kernel boots packed, which takes longer: %v", err)
	}
	return tryKVM(ctx, c, func(c Command, accel string) (Result, error) {
		prog := program{argv: func(string) []string { return qemuArgs(c, accel, kernel, fi.Size()) }, files: []*os.File{initrd}}
		return run(ctx, c, prog, accel)
	})
}

// qemuArgs is QEMU's command line. The choices are explained where a reader
// would wonder; all were found by measuring.
func qemuArgs(c Command, accel, kernel string, initrdSize int64) []string {
	// The initramfs is in memory twice while the kernel unpacks it.
	memory := cmp.Or(c.Memory, DefaultMemory) + int(2*initrdSize>>20)
	cpu, acpi := "host", "off"
	if c.CPUs > 1 {
		acpi = "on" // its tables tell of the other processors; to read them takes a while
	}
	kargs := append([]string{
		"console=ttyS0",
		"rdinit=/init", guest.Env + "=init:/dev/ttyS1", guest.HangEnv + "=" + c.hang(accel).String(),
		"panic=-1", "reboot=t", // a panic ends QEMU, as does the guest's reboot
		"rcupdate.rcu_expedited=1", // else every detach waits for a grace period
	}, c.KernelArgs...)
	if accel == "tcg" {
		// The emulation of CMPXCHG16B in some versions of QEMU corrupts the
		// kernel's slab allocator, so hide the instruction.
		cpu = "qemu64,-cx16"
		if khz := tscKHz(); khz != "" {
			kargs = append(kargs, "tsc_early_khz="+khz) // else calibration may hang
		}
	}
	return []string{
		qemuProgram,
		"-M", "microvm,acpi=" + acpi + ",rtc=on", "-accel", accel, "-cpu", cpu,
		"-smp", strconv.Itoa(cmp.Or(c.CPUs, 1)), // more are slower in emulation
		"-m", strconv.Itoa(memory) + "M",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-chardev", "file,id=console,path=/proc/self/fd/1", "-device", "isa-serial,index=0,chardev=console",
		"-chardev", fmt.Sprintf("file,id=port,path=/proc/self/fd/%d", portFD), "-device", "isa-serial,index=1,chardev=port",
		"-kernel", kernel, "-initrd", fmt.Sprintf("/proc/self/fd/%d", firstFile),
		"-append", strings.Join(kargs, " "),
	}
}
