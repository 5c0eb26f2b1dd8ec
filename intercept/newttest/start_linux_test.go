package newttest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept"
	"github.com/nkconform/nkconform/mprog"
)

// childVariable is set in a child, which attaches, says so, and waits.
const childVariable = "NEWTTEST_CHILD"

// TestAttaching is what TestStart starts.
func TestAttaching(t *testing.T) {
	if os.Getenv(childVariable) == "" {
		t.Skip("a program that TestStart starts")
	}
	require.NoError(t, upsert("nk0", pin, newProgram(t, "child")))
	fmt.Println("attached")
	_, err := bufio.NewReader(os.Stdin).ReadString('\n')
	require.NoError(t, err)
	_, err = netlink.LinkByName("nk0")
	require.ErrorAs(t, err, new(netlink.LinkNotFoundError))
}

// A test program that a test starts holds no kernel, and says so.
func TestChildHoldsNone(t *testing.T) {
	if os.Getenv(childVariable) != "" {
		intercept.NewT(t)
		return
	}
	k := intercept.NewT(t)
	_, err := k.NewNetns() // it is a kernel, not a skipped test
	require.NoError(t, err)
	c := exec.Command("/proc/self/exe", "-test.run", "^TestChildHoldsNone$")
	c.Env = append(os.Environ(), childVariable+"=1")
	out, err := c.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "holds no kernel")
}

func TestStart(t *testing.T) {
	k := intercept.NewT(t, fake.Allow(fake.LeakedPins))
	nk0, _ := k.Netkit("nk0", "nk1")
	c := exec.Command("/proc/self/exe", "-test.run", "^TestAttaching$", "-test.v")
	c.Env = append(os.Environ(), childVariable+"=1")
	in, err := c.StdinPipe()
	require.NoError(t, err)
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	intercept.Start(t, k, c)
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "attached" {
		t.Log(lines.Text())
	}
	require.Equal(t, "revision 2 [child@l1]", k.Hook(nk0, mprog.NetkitPrimary).String())
	require.NoError(t, k.DeleteDevice(nk0))
	fmt.Fprintln(in, "go on")
	require.NoError(t, c.Wait(), "it finds its device gone")
}
