//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/internal/doctor"
)

// recordedFilters is what a release of Linux sends, on x86-64, to what the target asks.
func recordedFilters(t *testing.T, release string) string {
	t.Helper()
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the recording is of a machine that is little endian")
	}
	text, err := os.ReadFile("testdata/filters-" + release + ".txt")
	require.NoError(t, err)
	return string(text)
}

// Every message about qdiscs and filters is byte for byte as the kernel's.
func TestFiltersAsOnTheKernel(t *testing.T) {
	needNamespaces(t)
	require.Equal(t, recordedFilters(t, "6.18"), output(t, target(t, "", "filters")))
	require.Equal(t, recordedFilters(t, "6.12"), output(t, target(t, "6.12", "filters")))
}

// A library and iproute2 manage filters as on the kernel.
func TestClassifier(t *testing.T) {
	needNamespaces(t)
	t.Log(output(t, target(t, "", "classifier")))
}

// Filters of other kinds are the running kernel's, which may know none.
func TestFiltersOfOtherKinds(t *testing.T) {
	needNamespaces(t)
	doctor.Need(t, "tun")
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(self)
	c.Env = append(os.Environ(), targetVariable+"=lend", onTheKernel+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
	}
	if out, err := c.CombinedOutput(); err != nil {
		t.Skipf("on the running kernel: %v: %s", err, out)
	}
	out := wholeOutput(t, target(t, "", "lend"))
	require.Contains(t, out, "filters of kind u32 are not simulated")
	require.Contains(t, out, "programs of BPF beside filters of other kinds, or where qdiscs share their filters, are not simulated")
}

// The recording is what the running kernel sends, where it is the same.
func TestFiltersRecording(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("to ask the running kernel takes root")
	}
	var name unix.Utsname
	require.NoError(t, unix.Uname(&name))
	if release := unix.ByteSliceToString(name.Release[:]); !strings.HasPrefix(release, "6.18.") {
		t.Skipf("the recording is of Linux 6.18, this is %s", release)
	}
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(self)
	c.Env = append(os.Environ(), targetVariable+"=filters")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Run(); err != nil {
		t.Skipf("the running kernel has no namespaces, programs or filters for this: %v: %s", err, out.String())
	}
	require.Equal(t, recordedFilters(t, "6.18"), out.String())
}
