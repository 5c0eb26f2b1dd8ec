package harness

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/harness/console"
	"github.com/nkconform/nkconform/harness/image"
)

// bootableOrSkip returns a machine and a kernel to test with, or skips the test.
func bootableOrSkip(t *testing.T) (Machine, image.Image) {
	t.Helper()
	if testing.Short() {
		t.Skip("boots a kernel")
	}
	all, err := image.Cached()
	require.NoError(t, err)
	if len(all) == 0 {
		t.Skip("no kernel is cached: fetch one to test booting it")
	}
	m, err := Pick("qemu", all[0])
	require.NoError(t, err)
	if err := m.Available(); err != nil {
		t.Skip(err)
	}
	return m, all[0]
}

func TestBoot(t *testing.T) {
	t.Parallel()
	m, img := bootableOrSkip(t)
	file := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.WriteFile(file, []byte("of the host\n"), 0o644))
	var stdout, stderr bytes.Buffer
	res, err := m.Run(t.Context(), Command{
		Image: img,
		Argv: []string{"sh", "-c", `read line < "$1"; echo "$line, $A, $PWD"; echo bad >&2
			while read dev at type rest; do echo "$at $type"; done < /proc/mounts
			ulimit -l; echo of the guest > new; exit 7`, "sh", file},
		Out: []string{filepath.Join(filepath.Dir(file), "new")},
		Env: []string{"A=1"}, Dir: filepath.Dir(file), Files: []string{file},
		Stdout: &stdout, Stderr: &stderr, LogDir: t.TempDir(),
	})
	require.NoError(t, err)
	assert.Equal(t, 7, res.ExitStatus)
	assert.Equal(t, img.Release, res.Release)
	assert.Equal(t, "bad\n", stderr.String())
	lines := strings.Split(stdout.String(), "\n")
	assert.Equal(t, "of the host, 1, "+filepath.Dir(file), lines[0])
	for _, want := range []string{"/proc proc", "/sys sysfs", "/dev devtmpfs", "/sys/fs/bpf bpf",
		"/sys/kernel/debug debugfs", "/sys/fs/cgroup cgroup2", "unlimited"} {
		assert.Contains(t, lines, want)
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(file), "new"))
	require.NoError(t, err)
	assert.Equal(t, "of the guest\n", string(text))
	assert.Empty(t, res.KernelTrouble)
	assert.Less(t, res.Boot, res.Total)
	t.Logf("%s with %s: boot %v, total %v", res.Release, res.Accel, res.Boot, res.Total)
}

func TestBootPanic(t *testing.T) {
	t.Parallel()
	m, img := bootableOrSkip(t)
	res, err := m.Run(t.Context(), Command{
		Image: img, LogDir: t.TempDir(),
		Argv: []string{"sh", "-c", `echo c > /proc/sysrq-trigger`},
	})
	var died *DiedError
	require.ErrorAs(t, err, &died)
	assert.Contains(t, died.Reason, "kernel panic: sysrq")
	assert.FileExists(t, died.File)
	require.NotEmpty(t, res.KernelTrouble)
	panicked := res.KernelTrouble[0]
	assert.Equal(t, console.Panic, panicked.Kind)
	assert.Equal(t, "sh", panicked.Task)
	assert.Regexp(t, `^sysrq_handle_crash\+0x`, panicked.Where)
}
