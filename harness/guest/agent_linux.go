package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// PortName is the name of the virtio port that leads to the harness in a
// system that has its own init.
const PortName = "nkconform"

// agent runs the job in jobFile in a system that another init has set up,
// whose root file system is the host's, and returns the agent's exit status.
func agent(jobFile string) int {
	if err := work(jobFile); err != nil {
		fmt.Fprintln(os.Stderr, "nkconform guest:", err)
		return 1
	}
	return 0
}

func work(jobFile string) error {
	device, err := findPort("/sys/class/virtio-ports")
	if err != nil {
		return err
	}
	for _, err := range setUp() {
		fmt.Fprintln(os.Stderr, "nkconform guest:", err)
	}
	port, err := openPort(device)
	if err != nil {
		return err
	}
	defer port.Close()
	return serve(port, jobFile)
}

// findPort returns the device of the port named PortName. Reading sysfs needs
// no udev rules, which make links by name elsewhere.
func findPort(class string) (string, error) {
	names, err := filepath.Glob(filepath.Join(class, "*", "name"))
	if err != nil {
		return "", err
	}
	for _, file := range names {
		name, err := os.ReadFile(file)
		if err == nil && strings.TrimSpace(string(name)) == PortName {
			return filepath.Join("/dev", filepath.Base(filepath.Dir(file))), nil
		}
	}
	return "", fmt.Errorf("no virtio port named %s", PortName)
}

// tempDir returns a directory for temporary files: of a host's root
// file system, /tmp may be read-only in a guest.
func tempDir() string {
	if unix.Access("/tmp", unix.W_OK) == nil {
		return "/tmp"
	}
	return "/run/tmp" // virtme-ng's
}
