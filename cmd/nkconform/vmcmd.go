package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nkconform/nkconform/harness"
	"github.com/nkconform/nkconform/harness/image"
	"github.com/nkconform/nkconform/matrix"
)

// vmOptions are the flags of vm.
type vmOptions struct {
	stderr  io.Writer // nil: that of this program
	machine string
	with    []string
	out     []string
	env     []string
	bare    bool
	guest   guestFlags
	memory  int
	timeout time.Duration
}

func vmCommand() *cobra.Command {
	var o vmOptions
	c := &cobra.Command{
		Use:   "vm [flags] IMAGE -- CMD [ARG...]",
		Short: "Run any command as root in a kernel booted for it",
		Long: `Vm boots the kernel IMAGE, runs the command in it as root, passes its output on
as it comes, and ends with its exit status. The guest has the command, the
libraries it needs, the working directory with all that is below, what --with
names, and the environment, but no network and no input. What it writes to files
stays in the guest, but for the folders of --out, and for coverage and profiles
of Go tests and programs, which come back whatever the exit status.

A kernel that warns of itself, dies or hangs is a failure whatever the command
says: its complaint goes to stderr, and the exit status is 1, or what the command
failed with.`,
		Example: `  nkconform vm debian:7.1 -- ./mylib.test -test.v
  go test -exec "nkconform vm debian:7.1 --" -coverprofile cover.out ./...
  nkconform vm --out results debian:7.1 -- ./mylib.test -test.v -dump results
  nkconform vm --with /usr/sbin/bpftool debian:6.12 -- bpftool feature
  nkconform vm --vm vng debian:7.3 -- sh -c 'uname -r; ip link'`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			// Flags may stand after IMAGE, too.
			if err := c.ParseFlags(args[1:]); err != nil {
				return err
			}
			return runInVM(c.Context(), o, args[0], c.Flags().Args())
		},
	}
	f := c.Flags()
	f.SetInterspersed(false) // flags after CMD are the command's
	f.StringVar(&o.machine, "vm", harness.Auto, "machine that boots the image: "+harness.Names())
	f.StringSliceVar(&o.with, "with", nil, "further file or folder for the guest, at the same path")
	f.StringSliceVar(&o.out, "out", nil, "`folder` that comes back with what the command leaves there")
	f.StringArrayVarP(&o.env, "env", "e", nil, "NAME=VALUE for the command's environment")
	f.BoolVar(&o.bare, "bare", false, "leave the working directory out")
	o.guest.add(f)
	f.IntVar(&o.memory, "memory", harness.DefaultMemory, "the guest's memory in MiB")
	f.DurationVar(&o.timeout, "timeout", 10*time.Minute, "limit from boot to end")
	return c
}

// maxDir bounds what of the working directory goes into a guest, in bytes.
const maxDir = 256 << 20

// exitStatus ends this program with the status of another; it has been
// reported what went wrong.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// said is where what the command says goes.
func (o vmOptions) said() io.Writer {
	if o.stderr != nil {
		return o.stderr
	}
	return os.Stderr
}

// notes writes lines as this program's.
type notes struct{ out io.Writer }

func (n notes) Write(line []byte) (int, error) {
	_, err := fmt.Fprintf(n.out, "nkconform: %s", line)
	return len(line), err
}

// check returns an error if the flags make no sense.
func (o vmOptions) check() error {
	if o.memory < 0 {
		return fmt.Errorf("bad number %d for --memory: expected more than 0", o.memory)
	}
	for _, v := range o.env {
		if i := strings.IndexByte(v, '='); i < 1 {
			return fmt.Errorf("bad variable %q for --env: expected NAME=VALUE", v)
		}
	}
	if err := o.guest.check(); err != nil {
		return err
	}
	return positive(map[string]time.Duration{"timeout": o.timeout})
}

func runInVM(ctx context.Context, o vmOptions, ref string, argv []string) error {
	if len(argv) == 0 {
		return errors.New("no command given: expected IMAGE -- CMD [ARG...]")
	}
	if err := o.check(); err != nil {
		return err
	}
	entry, err := matrix.ParseEntry(ref, o.machine)
	if err != nil {
		return err
	}
	img, err := harness.Resolve(ctx, entry.Machine, entry.Image, image.Options{Progress: progress()})
	if err != nil {
		return err
	}
	m, err := harness.Pick(entry.Machine, img)
	if err != nil {
		return err
	}
	modules, hint, err := o.guest.modules(ctx, img)
	if err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the working directory: %w", err)
	}
	files := o.with
	if !o.bare && !m.HostFiles() {
		if err := checkSize(dir); err != nil {
			return unreadable(err)
		}
		files = append(slices.Clone(files), dir)
	}
	env := append(guestEnv(os.Environ()), o.env...)
	out, err := comesBack(o.out, argv, env)
	if err != nil {
		return err
	}
	res, err := bootAgain(ctx, m, harness.Command{
		Image: img, Argv: argv, Dir: dir, Files: files, Env: env, Out: out,
		Stdout: os.Stdout, Stderr: o.said(), Notes: notes{o.said()}, Progress: progress(),
		Timeout: o.timeout, BootTimeout: o.guest.boot, HangTimeout: o.guest.hang,
		Modules: o.guest.module, Autoload: true, ModulesDir: modules, ModulesHint: hint,
		Memory: o.memory, CPUs: o.guest.cpus, KernelArgs: append(slices.Clone(matrix.KernelArgs), o.guest.args()...),
	})
	tellTrouble(os.Stderr, res)
	var died *harness.DiedError
	var late *harness.TimeoutError
	if errors.As(err, &died) || errors.As(err, &late) {
		fmt.Fprintln(os.Stderr, "nkconform:", err)
		return errFailed
	}
	if err != nil {
		return unreadable(err)
	}
	if len(res.KernelTrouble) > 0 && res.ExitStatus == 0 {
		return errFailed
	}
	if res.ExitStatus != 0 {
		return exitStatus(res.ExitStatus)
	}
	return nil
}

// bootAgain runs the command, in a second guest if the first one never said a
// word.
func bootAgain(ctx context.Context, m harness.Machine, c harness.Command) (harness.Result, error) {
	for boots := 1; ; boots++ {
		res, err := m.Run(ctx, c)
		if boots == harness.MaxBoots || !harness.WorthAnother(ctx, res, err) {
			return res, err
		}
		fmt.Fprintf(os.Stderr, "nkconform: %v; it is booted once more\n", err)
	}
}

// tellTrouble writes what the kernel complained of.
func tellTrouble(out io.Writer, res harness.Result) {
	if len(res.KernelTrouble) == 0 {
		return
	}
	fmt.Fprintln(out, strings.TrimSpace("nkconform: the kernel "+res.Release)+" complains about itself:")
	for _, c := range res.KernelTrouble {
		fmt.Fprintln(out, c.Text)
	}
}

// hostOnly are variables that say something of the host that is not so in the
// guest, which has its own.
var hostOnly = []string{"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TMPDIR", "PWD", "OLDPWD", "HOSTNAME", "_", "LD_PRELOAD"}

// guestEnv is the environment that a command has in a guest.
func guestEnv(host []string) []string {
	return slices.DeleteFunc(slices.Clone(host), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(hostOnly, name) || strings.HasPrefix(name, "XDG_") || strings.HasPrefix(name, "NKCONFORM_")
	})
}

// unreadable adds to an error of something that cannot be read what to do.
func unreadable(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: --bare leaves the working directory out, --with takes a part of it", err)
	}
	return err
}

// checkSize returns an error if a folder is too much for a guest.
func checkSize(dir string) error {
	var size int64
	tooBig := errors.New("too big")
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if size += info.Size(); size > maxDir {
			return tooBig
		}
		return nil
	})
	if errors.Is(err, tooBig) {
		return fmt.Errorf("the working directory %s holds more than %d MiB, too much for a guest: use another, or --bare and --with", dir, maxDir>>20)
	}
	if err != nil {
		return fmt.Errorf("look at the working directory: %w", err)
	}
	return nil
}
