package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/harness/internal/kmod"
)

// setModprobe tells the kernel which program loads what it asks for.
func setModprobe() error {
	if _, err := os.Stat(ModprobePath); err != nil {
		return nil // the harness has given none
	}
	err := os.WriteFile("/proc/sys/kernel/modprobe", []byte(ModprobePath), 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil // a kernel without modules
	}
	return err
}

// modprobe does what the kernel calls modprobe(8) for, and a little of what
// people do: modprobe [-q] [-a] NAME [PARAMETER=VALUE...]. It returns an exit
// status.
func modprobe(args []string) int {
	var names, params []string
	quiet, all := false, false
	for _, arg := range args {
		switch {
		case arg == "-q":
			quiet = true
		case arg == "-a":
			all = true
		case arg == "--" || arg == "-v" || arg == "-s":
		case strings.HasPrefix(arg, "-"):
			fmt.Fprintf(os.Stderr, "modprobe: %s is not known in this guest: only -a and -q are\n", arg)
			return 1
		case len(names) == 0 || all:
			names = append(names, arg)
		default:
			params = append(params, arg)
		}
	}
	err := loadModules(names, strings.Join(params, " "))
	switch {
	case err == nil:
		return 0
	case quiet && errors.Is(err, kmod.ErrNone):
		noteUnknown(names)
	case quiet: // of the kernel, whose log is all that is seen
		_ = os.WriteFile("/dev/kmsg", []byte("nkconform guest: "+err.Error()), 0)
	default:
		fmt.Fprintln(os.Stderr, "modprobe:", err)
	}
	return 1
}

// loadModules loads modules by name or alias, with what they need.
func loadModules(names []string, params string) error {
	if len(names) == 0 {
		return nil
	}
	index, err := kmod.Open(ModulesDir)
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("module %s: %w", names[0], kmod.ErrNone)
	}
	if err != nil {
		return err
	}
	list, err := index.Order(names...)
	if err != nil {
		return err
	}
	for _, m := range list {
		with := ""
		if m.Name == index.Name(names[0]) {
			with = params
		}
		if err := load(filepath.Join(ModulesDir, m.File), with); err != nil {
			return fmt.Errorf("load module %s: %w", m.Name, err)
		}
	}
	return nil
}

// load loads the module in a file; that it is loaded already is no error.
func load(file, params string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	err = unix.FinitModule(int(f.Fd()), params, 0)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

// optional is what kernels ask for that have it built in or do without, at each
// mount of a file system for BPF objects.
const optional = "bpf_preload"

// unknownFile holds the names that the kernel has asked for in vain, one a line.
const unknownFile = "/run/nkconform-unknown-modules"

func noteUnknown(names []string) {
	f, err := os.OpenFile(unknownFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprintln(f, strings.Join(names, "\n"))
}

// unknown returns what the kernel has asked for in vain, each once.
func unknown() []string {
	b, err := os.ReadFile(unknownFile)
	if err != nil {
		return nil
	}
	var names []string
	seen := map[string]bool{}
	for name := range strings.Lines(string(b)) {
		if name = strings.TrimSpace(name); !seen[name] && name != optional {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}
