package doctor

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
)

// asRoot is a command for root, as the caller must type it.
func asRoot(command string) string {
	if os.Geteuid() == 0 && !isNamespaceRoot() {
		return command
	}
	return "sudo " + command
}

// sysctl is the command that changes a setting of the kernel until the next boot.
func sysctl(setting string) string { return asRoot("sysctl -w " + setting) }

// Install is the command that installs packages, by Debian's names, on Debian and
// what is made of it; elsewhere a hint.
func Install(packages ...string) string {
	list := strings.Join(packages, " ")
	if _, err := exec.LookPath("apt-get"); err != nil {
		return "install what Debian calls " + list
	}
	return asRoot("apt-get install -y " + list)
}

// Program is a Try that finds a program and has it tell its version.
func Program(name string, packages ...string) func() (string, error) {
	return func() (string, error) {
		path, err := exec.LookPath(name)
		if err != nil {
			return "", &Missing{name + " is not installed", Install(packages...)}
		}
		text, err := exec.Command(path, "--version").Output()
		if err != nil {
			return "", &Missing{name + " does not run: " + err.Error(), Install(packages...)}
		}
		return version.FindString(string(text)), nil
	}
}

// version is what looks like one in what a program says of itself.
var version = regexp.MustCompile(`\d+(\.\d+)+`)

// Programs is a Try that looks for programs.
func Programs(names []string, packages ...string) func() (string, error) {
	return func() (string, error) {
		var missing []string
		for _, name := range names {
			if _, err := exec.LookPath(name); err != nil {
				missing = append(missing, name)
			}
		}
		if len(missing) > 0 {
			return "", &Missing{"not installed: " + strings.Join(missing, ", "), Install(packages...)}
		}
		return "", nil
	}
}

// inContainer reports whether a seccomp filter stands between this process and
// the kernel, as a container's profile does.
func inContainer() bool {
	text, err := os.ReadFile("/proc/self/status")
	return err == nil && strings.Contains(string(text), "\nSeccomp:\t2\n")
}

// settings is where the kernel's are, but for tests.
var settings = "/proc/sys"

// setting is the kernel's, with "." for "/", or "" if there is none of the name.
func setting(name string) string {
	text, _ := os.ReadFile(settings + "/" + strings.ReplaceAll(name, ".", "/"))
	return strings.TrimSpace(string(text))
}
