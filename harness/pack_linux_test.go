package harness

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/harness/guest"
	"github.com/nkconform/nkconform/harness/image"
	"github.com/nkconform/nkconform/internal/doctor"
)

// packed returns the names in a command's initramfs, each with a leading
// slash, found by their headers.
func packed(t *testing.T, c Command) []string {
	t.Helper()
	f, err := pack(c)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.Seek(0, io.SeekStart)
	require.NoError(t, err)
	var names []string
	for {
		head := make([]byte, 110)
		_, err := io.ReadFull(f, head)
		require.NoError(t, err)
		size, nameLen := hex(t, head[54:62]), hex(t, head[94:102])
		name := make([]byte, (110+nameLen+3)&^3-110)
		_, err = io.ReadFull(f, name)
		require.NoError(t, err)
		text := string(name[:nameLen-1])
		if text == "TRAILER!!!" {
			return names
		}
		names = append(names, "/"+text)
		_, err = f.Seek((size+3)&^3, io.SeekCurrent)
		require.NoError(t, err)
	}
}

// hex reads a field of a header.
func hex(t *testing.T, b []byte) int64 {
	t.Helper()
	n, err := strconv.ParseInt(string(b), 16, 64)
	require.NoError(t, err)
	return n
}

func TestPack(t *testing.T) {
	doctor.NeedProgram(t, "sh")
	host, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	for _, d := range []string{"real/sub", "data"} {
		require.NoError(t, os.MkdirAll(filepath.Join(host, d), 0o755))
	}
	for _, f := range []string{"real/sub/file", "data/a", "data/b"} {
		require.NoError(t, os.WriteFile(filepath.Join(host, f), []byte(f), 0o644))
	}
	require.NoError(t, os.Symlink("real", filepath.Join(host, "link")))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(host, "data/dangling")))
	require.NoError(t, os.Symlink("../data", filepath.Join(host, "data/loop")))
	sh, err := exec.LookPath("sh")
	require.NoError(t, err)

	names := packed(t, Command{
		Argv:  []string{"sh"},
		Dir:   "/not/on/this/host",
		Files: []string{filepath.Join(host, "link/sub/file"), filepath.Join(host, "data"), filepath.Join(host, "data")},
	})
	for _, want := range []string{
		"/init", guest.JobFile, "/dev", "/proc", "/sys", "/tmp", "/not/on/this/host", sh,
		host + "/link", host + "/real", host + "/link/sub/file",
		host + "/data/a", host + "/data/b", host + "/data/dangling", host + "/data/loop",
	} {
		assert.Contains(t, names, want)
	}
	seen := map[string]bool{}
	for _, n := range names {
		assert.False(t, seen[n], "%s is packed twice", n)
		seen[n] = true
		assert.True(t, seen[filepath.Dir(n)] || filepath.Dir(n) == "/" || strings.HasPrefix(n, host+"/link"), "%s comes before its directory", n)
	}
}

// What this machine lacks is told by the names of the files that need it, and is
// an error of the command alone.
func TestPackWithoutInterpreter(t *testing.T) {
	doctor.NeedProgram(t, "sh", "/usr/bin/env")
	host, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	write := func(name, text string, perm os.FileMode) string {
		path := filepath.Join(host, name)
		require.NoError(t, os.WriteFile(path, []byte(text), perm))
		return path
	}
	for i := range 7 {
		write("z"+strconv.Itoa(i), "#!/no/such/zsh\n", 0o755)
	}
	foreign := write("e", "#!/usr/bin/env no-such-interpreter\n", 0o755)
	write("data", "#!/no/such/data\n", 0o644)
	require.NoError(t, os.Symlink(host, host+".link"))

	var notes strings.Builder
	names := packed(t, Command{Argv: []string{"sh"}, Files: []string{host + ".link"}, Notes: &notes})
	assert.Contains(t, names, host+".link")
	assert.Contains(t, names, host+"/z6", "the folder that a link leads to is packed whole")
	assert.Contains(t, names, foreign)
	assert.Equal(t, "/no/such/zsh is not on this machine, so these will not run in the guest: "+
		host+"/z0, "+host+"/z1, "+host+"/z2, "+host+"/z3, "+host+"/z4 and 2 more\n"+
		"no-such-interpreter is not on this machine, so these will not run in the guest: "+foreign+"\n", notes.String())

	require.NoError(t, os.Symlink(foreign, host+"/command"))
	_, err = pack(Command{Argv: []string{host + "/command"}})
	assert.EqualError(t, err, host+"/command needs no-such-interpreter, which is not on this machine")
}

// A guest has the modules that it loads and those that the kernel may ask for,
// and a modprobe; a guest of the suite has neither.
func TestPackModules(t *testing.T) {
	doctor.NeedProgram(t, "sh")
	dir := t.TempDir()
	for name, text := range map[string]string{
		"kernel/a/veth.ko": "1", "kernel/a/bridge.ko": "2", "kernel/a/stp.ko": "3", "kernel/a/ext4.ko": "4",
		"modules.dep":   "kernel/a/veth.ko:\nkernel/a/bridge.ko: kernel/a/stp.ko\nkernel/a/stp.ko:\nkernel/a/ext4.ko:\n",
		"modules.alias": "alias rtnl-link-veth veth\nalias rtnl-link-bridge bridge\n",
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	inGuest := func(c Command) []string {
		c.Argv = []string{"sh"}
		var found []string
		for _, name := range packed(t, c) {
			if strings.HasSuffix(name, ".ko") || strings.HasSuffix(name, "/modprobe") {
				found = append(found, filepath.Base(name))
			}
		}
		slices.Sort(found)
		return found
	}
	assert.Empty(t, inGuest(Command{}))
	assert.Equal(t, []string{"modprobe"}, inGuest(Command{Autoload: true}), "which notes what is missing")
	assert.Equal(t, []string{"bridge.ko", "modprobe", "modprobe", "stp.ko"}, inGuest(Command{ModulesDir: dir, Modules: []string{"bridge"}}))
	assert.Equal(t, []string{"bridge.ko", "ext4.ko", "modprobe", "modprobe", "stp.ko", "veth.ko"},
		inGuest(Command{ModulesDir: dir, Autoload: true, Modules: []string{"ext4"}}))

	_, err := pack(Command{Argv: []string{"sh"}, ModulesDir: dir, Modules: []string{"xfs"}})
	assert.EqualError(t, err, "module xfs: the kernel has no such module")
}

func TestJob(t *testing.T) {
	doctor.NeedProgram(t, "sh")
	j, err := job(Command{Argv: []string{"sh", "-c", "true"}, Env: []string{"A=1"}, Dir: "."})
	require.NoError(t, err)
	assert.True(t, filepath.IsAbs(j.Argv[0]))
	assert.Equal(t, []string{"-c", "true"}, j.Argv[1:])
	assert.Contains(t, j.Env, "A=1")
	assert.Contains(t, j.Env, "HOME=/root")
	wd, err := os.Getwd()
	require.NoError(t, err)
	assert.Equal(t, wd, j.Dir)

	_, err = job(Command{})
	assert.ErrorContains(t, err, "no command")
	_, err = job(Command{Argv: []string{"no-such-program-anywhere"}})
	assert.ErrorIs(t, err, exec.ErrNotFound)
}

func TestPick(t *testing.T) {
	m, err := Pick("vng", image.Image{Kind: image.BZImage})
	require.NoError(t, err)
	assert.Equal(t, "vng", m.Name())
	m, err = Pick("auto", image.Image{Kind: image.UML})
	require.NoError(t, err)
	assert.Equal(t, "uml", m.Name())
	m, err = Pick("auto", image.Image{Kind: image.VNG})
	require.NoError(t, err)
	assert.Equal(t, "vng", m.Name())
	_, err = Pick("qemu", image.Image{Kind: image.UML})
	assert.EqualError(t, err, "machine qemu is not available: it does not boot uml images")
	_, err = Pick("bochs", image.Image{Kind: image.BZImage})
	assert.EqualError(t, err, `unknown machine "bochs": expected auto, uml, qemu or vng`)
}

func TestParseTSC(t *testing.T) {
	for cpuinfo, want := range map[string]string{
		"model name\t: Some CPU @ 2.80GHz\ncpu MHz\t\t: 800.000\n": "2800000",
		"model name\t: AMD EPYC\ncpu MHz\t\t: 2445.426\n":          "2445426",
		"": "",
	} {
		assert.Equal(t, want, parseTSC(cpuinfo))
	}
}

func TestCheckVisible(t *testing.T) {
	assert.NoError(t, checkVisible("/"))
	assert.ErrorContains(t, checkVisible("/proc/self/status"), "cannot be seen")
	assert.ErrorIs(t, checkVisible("/no/such/file"), os.ErrNotExist)
	assert.Equal(t, `'it'\''s'`, quote("it's"))
}
