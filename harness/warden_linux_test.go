package harness

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/harness/image"
	"github.com/nkconform/nkconform/internal/doctor"
)

// doomedEnv makes the test binary a harness that is to be killed. Its value is
// the machine's directory.
const doomedEnv = "NKCONFORM_TEST_DOOMED"

// doomedHarness runs a machine that starts a program, which holds the file
// beside the directory open.
func doomedHarness(dir string) {
	fifo := dir + ".held"
	env := append(os.Environ(), doomedEnv+"=", fakeEnv+"=hello 7.3;spawn hold "+fifo+";hang")
	_, err := run(context.Background(), Command{Image: image.Image{Ref: "fake"}, LogDir: os.TempDir()}, program{
		argv: func(string) []string { return []string{os.Args[0]} },
		env:  env, own: dir,
	}, "fake")
	panic(err)
}

func TestKilledHarnessLeavesNothingBehind(t *testing.T) {
	doctor.NeedProgram(t, "sh", "rm")
	dir := filepath.Join(t.TempDir(), "own")
	fifo := dir + ".held"
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	harness := exec.Command(os.Args[0])
	harness.Env = append(os.Environ(), doomedEnv+"="+dir)
	require.NoError(t, harness.Start())

	held, err := os.Open(fifo) // when the machine's program has opened it
	require.NoError(t, err)
	defer held.Close()
	require.NoError(t, harness.Process.Kill())
	_ = harness.Wait()
	_, err = held.Read(make([]byte, 1))
	assert.ErrorIs(t, err, io.EOF, "the program has ended")
	assert.NoDirExists(t, dir)
}
