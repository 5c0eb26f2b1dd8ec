package harness

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/harness/guest"
	"github.com/nkconform/nkconform/harness/image"
)

// vng boots a kernel with virtme-ng on a read-only view of the host's own
// root file system, so the command finds everything that the host has.
type vng struct{}

func init() { register(vng{}) }

// vngBootTimeout allows for virtme-ng's init, a shell script that starts half
// a distribution before it runs a command.
const vngBootTimeout = 3 * DefaultBootTimeout

func (vng) Name() string    { return "vng" }
func (vng) slowness() int   { return 3 }
func (vng) quick() bool     { return false }
func (vng) HostFiles() bool { return true }

func (vng) boots(k image.Kind) bool { return k == image.BZImage || k == image.VNG }

func (vng) Available() error {
	missing := func(what, pkgs string) error {
		return &UnavailableError{"vng", what + " is missing: install the packages " + pkgs + ", or run scripts/vm-deps.sh"}
	}
	if _, err := exec.LookPath(qemuProgram); err != nil {
		return missing(qemuProgram, "qemu-system-x86")
	}
	if !hasUdev() {
		return missing("udev, which the guest needs,", "udev")
	}
	if _, err := exec.LookPath("vng"); err == nil {
		return nil
	}
	// It is fetched and unpacked when it is needed, and then needs these.
	if err := exec.Command("/usr/bin/python3", "-c", "import requests, argcomplete").Run(); err != nil {
		return missing("virtme-ng", "virtme-ng, or python3-requests python3-argcomplete to have it fetched,")
	}
	return nil
}

// hasUdev reports whether virtme-ng's init will find udev, without which it
// runs no command.
func hasUdev() bool {
	for _, f := range []string{"/usr/lib/systemd/systemd-udevd", "/lib/systemd/systemd-udevd"} {
		if _, err := os.Stat(f); err == nil {
			return true
		}
	}
	_, err := exec.LookPath("udevd")
	return err == nil
}

// hidden are directories of the host that are others in the guest.
var hidden = []string{"/dev", "/proc", "/run", "/sys", "/var/cache", "/var/log", "/var/tmp"}

// checkVisible returns an error if the guest would not see a path.
func checkVisible(path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	for _, dir := range hidden {
		if real == dir || strings.HasPrefix(real, dir+"/") {
			return fmt.Errorf("%s cannot be seen in a guest of virtme-ng: move it out of %s", path, dir)
		}
	}
	return nil
}

func (v vng) Run(ctx context.Context, c Command) (res Result, err error) {
	if err := v.Available(); err != nil {
		return Result{}, err
	}
	if len(c.Modules) > 0 {
		return Result{}, &UnavailableError{"vng", "it loads no modules: what the guest asks for is loaded from the host's own, if they are of this kernel"}
	}
	prog, env, err := vngTools(ctx, c.Progress)
	if ctx.Err() != nil {
		return Result{}, fmt.Errorf("run %s: %w", c.Image.Ref, context.Cause(ctx))
	}
	if err != nil {
		return Result{}, &UnavailableError{"vng", err.Error()}
	}
	// Whatever virtme-ng leaves behind when it is killed goes with this.
	dir, err := runDir("vng")
	if err != nil {
		return Result{}, err
	}
	defer func() {
		if errRemove := os.RemoveAll(dir); err == nil {
			err = errRemove
		}
	}()
	script, err := vngScript(c, dir)
	if err != nil {
		return Result{}, err
	}
	env = append(env, "TMPDIR="+dir)
	c.BootTimeout = cmp.Or(c.BootTimeout, vngBootTimeout)
	return tryKVM(ctx, c, func(c Command, accel string) (Result, error) {
		argv := func(port string) []string { return append([]string{prog}, vngArgs(c, accel, script, port)...) }
		// The guest's init begins in virtme-ng's own working directory, and dies
		// if the guest does not have it.
		return run(ctx, c, program{argv: argv, env: env, dir: "/", own: dir}, accel)
	})
}

// vngScript writes the job for the guest into dir and returns the shell
// command that does it.
func vngScript(c Command, dir string) (string, error) {
	if !guest.Called() {
		return "", errNotGuest
	}
	j, err := job(c)
	if err != nil {
		return "", err
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	for _, path := range append([]string{self, dir, j.Argv[0]}, c.Files...) {
		if err := checkVisible(path); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(j)
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "job.json")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return "", fmt.Errorf("write job: %w", err)
	}
	return fmt.Sprintf("%s=%s exec %s", guest.Env, quote("agent:"+file), quote(self)), nil
}

// vngArgs is virtme-ng's command line; qemuArgs tells why the arguments that
// both have are as they are.
func vngArgs(c Command, accel, script, port string) []string {
	kargs := []string{"rcupdate.rcu_expedited=1"}
	qemu := fmt.Sprintf("-chardev file,id=port,path=%s -device virtserialport,name=%s,chardev=port", port, guest.PortName)
	args := []string{"--run", c.Image.Kernel, "--verbose", "--cpus", strconv.Itoa(cmp.Or(c.CPUs, 1)),
		"--memory", fmt.Sprintf("%dM", cmp.Or(c.Memory, DefaultMemory))}
	if c.Image.Kind != image.VNG {
		// Built in is all that is needed, and looked for is what may be missing.
		args = append(args, "--skip-modules")
	}
	if accel == "tcg" {
		args = append(args, "--disable-kvm")
		qemu += " -cpu qemu64,-cx16"
		if khz := tscKHz(); khz != "" {
			kargs = append(kargs, "tsc_early_khz="+khz)
		}
	}
	for _, k := range append(kargs, c.KernelArgs...) {
		args = append(args, "--append", k)
	}
	script = guest.HangEnv + "=" + c.hang(accel).String() + " " + script
	return append(args, "--qemu-opts="+qemu, "--exec", script)
}

// vngTools returns the path of vng and an environment in which it finds its
// parts and virtiofsd. What the system does not have is fetched.
func vngTools(ctx context.Context, progress io.Writer) (prog string, env []string, err error) {
	opts := image.Options{Progress: progress}
	path := os.Getenv("PATH")
	env = os.Environ()
	if prog, err = exec.LookPath("vng"); err != nil {
		dir, err := image.VirtmeNG(ctx, opts)
		if err != nil {
			return "", nil, err
		}
		bin := filepath.Join(dir, "usr/bin")
		prog, path = filepath.Join(bin, "vng"), bin+":"+path
		env = append(env, "PYTHONPATH="+filepath.Join(dir, "usr/lib/python3/dist-packages"), "PYTHONDONTWRITEBYTECODE=1")
	}
	if !hasVirtiofsd() {
		daemon, err := image.Virtiofsd(ctx, opts)
		if err != nil {
			return "", nil, err
		}
		path = filepath.Dir(daemon) + ":" + path
	}
	return prog, append(env, "PATH="+path), nil
}

// hasVirtiofsd reports whether virtme-ng will find a virtiofsd.
func hasVirtiofsd() bool {
	for _, prog := range []string{"virtiofsd", "/usr/libexec/virtiofsd", "/usr/lib/virtiofsd/virtiofsd", "/usr/lib/virtiofsd"} {
		if _, err := exec.LookPath(prog); err == nil {
			return true
		}
	}
	return false
}

// quote quotes a word for a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
