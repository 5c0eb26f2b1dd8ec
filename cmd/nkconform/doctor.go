package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nkconform/nkconform/harness"
	"github.com/nkconform/nkconform/harness/image"
	"github.com/nkconform/nkconform/intercept"
	"github.com/nkconform/nkconform/internal/backend"
	"github.com/nkconform/nkconform/internal/doctor"
	"github.com/nkconform/nkconform/kernel"
)

func doctorCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "doctor [flags] [USE...]",
		Short: "Tell what this machine can do, and the command for what is missing",
		Long: `Doctor finds out what this machine can do by doing it: it loads a program, makes
a device, a namespace, a virtual machine. It says what each is good for here and
the command that brings what is missing. Nothing that it makes outlives it.

With the names of uses it tries only what these need, and the exit status is 2
if one of them cannot be; otherwise it is 0 whatever is missing. Uses are

` + usesHelp(),
		Example: `  nkconform doctor
  nkconform doctor exec vm
  nkconform doctor --format json`,
		ValidArgs: useNames(),
		Args:      cobra.OnlyValidArgs,
		RunE: func(_ *cobra.Command, names []string) error {
			if err := textOrJSON(format); err != nil {
				return err
			}
			chosen := uses
			if len(names) > 0 {
				chosen = slices.DeleteFunc(slices.Clone(uses), func(u doctor.Use) bool { return !slices.Contains(names, u.Name) })
			}
			r := doctor.Examine(machine(), checks(), chosen)
			if err := writeDoctor(r, format); err != nil || len(names) == 0 {
				return err
			}
			return r.Err()
		},
	}
	c.Flags().StringVarP(&format, "format", "f", "text", "text or json")
	return c
}

func writeDoctor(r *doctor.Report, format string) error {
	if format == "json" {
		return printJSON(r)
	}
	return r.WriteText(os.Stdout, style(os.Stdout, false).Color)
}

// uses are what this program is used for, and what that takes of a machine.
var uses = []doctor.Use{
	{Name: "fake", Is: "run, explain, fuzz: the simulated kernel"},
	{Name: "exec", Is: "exec: programs on the simulated kernel", Needs: []string{"seccomp"}, Better: []string{"userns", "tun", "fuse", "int80"}},
	{Name: "host", Is: "run --backend host: the running kernel", Needs: []string{"root", "bpf"}, Better: []string{"tcx", "netkit", "cgroup2"}},
	{Name: "vm", Is: "vm, matrix, run --backend vm:IMAGE: kernels in virtual machines", Needs: []string{"qemu"}, Better: []string{"debian", "kvm"}},
	{Name: "vng", Is: "vm --vm vng: kernels with the files of this machine", Needs: []string{"vng"}, Better: []string{"debian", "kvm"}},
	{Name: "uml", Is: "kernels build uml: kernels that are programs", Needs: []string{"uml"}, Better: []string{"debian"}},
	{Name: "race", Is: "go test -race", Needs: []string{"gcc"}},
}

func useNames() []cobra.Completion {
	var list []cobra.Completion
	for _, u := range uses {
		list = append(list, u.Name)
	}
	return list
}

func usesHelp() string {
	var b strings.Builder
	for _, u := range uses {
		fmt.Fprintf(&b, "  %-6s %s\n", u.Name, u.Is)
	}
	return strings.TrimRight(b.String(), "\n")
}

// checks are those of the system and, where kernels can be booted, of machines.
func checks() []doctor.Check {
	if runtime.GOOS != "linux" {
		return doctor.Checks
	}
	return append(slices.Clone(doctor.Checks),
		doctor.Check{Name: "qemu", Is: "QEMU", Good: "vm, matrix: kernels in virtual machines", Try: doctor.Program("qemu-system-x86_64", "qemu-system-x86")},
		doctor.Check{Name: "vng", Is: "virtme-ng", Good: "vm --vm vng: a guest with the files of this machine", Try: tryVNG},
		doctor.Check{Name: "debian", Is: "fetch kernels from Debian", Good: "images debian:VERSION", Try: tryDebian},
		doctor.Check{Name: "uml", Is: "build a User-Mode Linux", Good: "kernels build uml: the fastest machine of all",
			Try: doctor.Programs(image.BuildTools, "gcc", "make", "flex", "bison", "bc", "libc6-dev", "xz-utils")},
	)
}

func tryVNG() (string, error) {
	m, err := harness.Pick("vng", image.Image{Kind: image.VNG})
	if err == nil {
		err = m.Available()
	}
	var missing *harness.UnavailableError
	if errors.As(err, &missing) {
		return "", &doctor.Missing{Why: missing.Missing,
			Get: doctor.Install("qemu-system-x86", "udev", "python3-requests", "python3-argcomplete")}
	}
	if err != nil {
		return "", err
	}
	if _, err := exec.LookPath("vng"); err != nil {
		return "fetched when needed", nil
	}
	return doctor.Program("vng", "virtme-ng")()
}

func tryDebian() (string, error) {
	if err := image.CanFetch(); err != nil {
		m := &doctor.Missing{Why: err.Error()}
		if _, noApt := exec.LookPath("apt-get"); noApt == nil && errors.Is(err, image.ErrUnavailable) {
			m.Get = doctor.Install("debian-archive-keyring")
		}
		return "", m
	}
	return "", nil
}

// machine says in a line what this one is.
func machine() string {
	user := "as an ordinary user"
	if os.Geteuid() == 0 {
		user = "as root"
	}
	return fmt.Sprintf("%s %s on %s, %s", runtime.GOOS, backend.Host().Release, runtime.GOARCH, user)
}

// hint is what the error of a command adds about a machine that cannot do what
// it needs.
func hint(err error) string {
	var noMachine *harness.UnavailableError
	if errors.As(err, &noMachine) || errors.Is(err, kernel.ErrUnavailable) ||
		errors.Is(err, intercept.ErrUnavailable) || errors.Is(err, image.ErrUnavailable) {
		return "\nnkconform doctor says what is missing and how to get it"
	}
	return ""
}
