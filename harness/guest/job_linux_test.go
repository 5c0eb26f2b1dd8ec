package guest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/harness/internal/wire"
	"github.com/nkconform/nkconform/internal/doctor"
)

func TestStart(t *testing.T) {
	doctor.NeedProgram(t, "/bin/sh", "sleep")
	for _, test := range []struct {
		name           string
		argv           []string
		status         int
		stdout, stderr string
	}{
		{"success", []string{"/bin/sh", "-c", "echo out; echo err >&2"}, 0, "out\n", "err\n"},
		{"status", []string{"/bin/sh", "-c", "exit 3"}, 3, "", ""},
		{"signal", []string{"/bin/sh", "-c", "kill -ABRT $$"}, statusSignal + 6, "", ""},
		{"environment and directory", []string{"/bin/sh", "-c", `echo "$A $PWD"`}, 0, "1 /\n", ""},
		{"no such program", []string{"/no/such/program"}, statusNotFound, "", "nkconform guest: fork/exec /no/such/program: no such file or directory\n"},
		{"no program", []string{"/"}, statusCannotRun, "", "nkconform guest: fork/exec /: permission denied\n"},
		{"nothing", nil, statusCannotRun, "", "nkconform guest: no command to run\n"},
		// The status is the command's even if another child ends before it, and
		// a process left behind with the output open holds nothing up.
		{"orphans", []string{"/bin/sh", "-c", `sleep 2 & echo left; exit 4`}, 4, "left\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			job := wire.Job{Argv: test.argv, Env: []string{"A=1", "PATH=" + os.Getenv("PATH")}, Dir: "/"}
			assert.Equal(t, test.status, start(job, &stdout, &stderr))
			assert.Equal(t, test.stdout, stdout.String())
			assert.Equal(t, test.stderr, stderr.String())
		})
	}
}

// What is to come back can be written, whether or not there is a folder for it.
func TestMakeWritable(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, makeWritable([]string{dir, filepath.Join(dir, "new/sub/c.out")}))
	assert.DirExists(t, filepath.Join(dir, "new/sub"))
	assert.NoFileExists(t, filepath.Join(dir, "new/sub/c.out"))
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	assert.ErrorContains(t, makeWritable([]string{filepath.Join(file, "below", "c.out")}), "make "+filepath.Join(file, "below")+" writable: ")
}

func TestIsModprobe(t *testing.T) {
	// Not in a guest: the name alone makes no modprobe.
	assert.False(t, isModprobe(ModprobePath))
	assert.False(t, isModprobe("/usr/bin/nkconform"))
}

func TestFindPort(t *testing.T) {
	class := t.TempDir()
	for dev, name := range map[string]string{"vport1p1": "virtme.stdin", "vport3p2": PortName} {
		require.NoError(t, os.MkdirAll(filepath.Join(class, dev), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(class, dev, "name"), []byte(name+"\n"), 0o644))
	}
	dev, err := findPort(class)
	require.NoError(t, err)
	assert.Equal(t, "/dev/vport3p2", dev)
	_, err = findPort(t.TempDir())
	assert.ErrorContains(t, err, "no virtio port named")
}

func TestMainElsewhere(t *testing.T) {
	// Not the first process: the variable alone does not make a guest.
	t.Setenv(Env, "init:/dev/ttyS1")
	Main()
	assert.True(t, Called())
}
