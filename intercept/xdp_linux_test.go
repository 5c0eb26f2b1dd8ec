//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/internal/doctor"
)

// recordedXDP is what a release of Linux answers, on x86-64, of some kinds of devices.
func recordedXDP(t *testing.T, release string, kinds ...string) (text string) {
	t.Helper()
	whole, err := os.ReadFile("testdata/xdp-" + release + ".txt")
	require.NoError(t, err)
	for _, section := range strings.SplitAfter(strings.ReplaceAll(string(whole), "## ", "\x00## "), "\x00") {
		for _, kind := range kinds {
			if strings.HasPrefix(section, "## "+kind+"\n") {
				text += strings.TrimSuffix(section, "\x00")
			}
		}
	}
	return text
}

// hasVeth skips a test where the running kernel makes no veth devices.
func hasVeth(t *testing.T) {
	t.Helper()
	doctor.NeedProgram(t, "ip")
	out, err := command(t, "", "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1").CombinedOutput()
	skipUnavailable(t, string(out))
	if err != nil {
		t.Skipf("the running kernel makes no veth devices: %s", out)
	}
}

// Every answer about XDP programs is as the kernel's, with its words, and so is what is
// told of the devices.
func TestXDPAsOnTheKernel(t *testing.T) {
	needNamespaces(t)
	for _, release := range []string{"6.12", "6.18", "7.3"} {
		t.Run(release, func(t *testing.T) {
			c := target(t, release, "xdpanswers")
			c.Env = append(c.Env, devicesVariable+"=lo netkit")
			require.Equal(t, recordedXDP(t, release, "lo", "netkit"), output(t, c))
		})
	}
	t.Run("veth", func(t *testing.T) {
		hasVeth(t)
		c := target(t, "", "xdpanswers")
		c.Env = append(c.Env, devicesVariable+"=veth")
		require.Equal(t, recordedXDP(t, "7.3", "veth"), output(t, c))
	})
}

// The recordings are what the running kernel answers, where it is one of them.
func TestXDPRecording(t *testing.T) {
	doctor.Need(t, "root")
	hasVeth(t)
	var name unix.Utsname
	require.NoError(t, unix.Uname(&name))
	release := strings.Join(strings.SplitN(unix.ByteSliceToString(name.Release[:]), ".", 3)[:2], ".")
	if _, err := os.Stat("testdata/xdp-" + release + ".txt"); err != nil {
		t.Skipf("there is no recording of Linux %s", release)
	}
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(self)
	c.Env = append(os.Environ(), targetVariable+"=xdpanswers", devicesVariable+"=lo veth")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	require.NoError(t, c.Run(), out.String())
	require.Equal(t, recordedXDP(t, release, "lo", "veth"), out.String())
}
