package back

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o640))
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return string(b)
}

// What is new or has changed comes back; what was there and what is gone stays.
func TestBack(t *testing.T) {
	guest, host := t.TempDir(), t.TempDir()
	for _, dir := range []string{guest, host} {
		write(t, dir, "all/kept", "kept")
		write(t, dir, "all/changed", "before")
		write(t, dir, "all/sub/gone", "gone")
	}
	in := func(dir string) []string {
		return []string{filepath.Join(dir, "all"), filepath.Join(dir, "one.out"), filepath.Join(dir, "never.out")}
	}
	before := Look(in(guest))
	write(t, guest, "all/changed", "after it")
	write(t, guest, "all/new/deep/file", "new")
	write(t, guest, "one.out", "one")
	write(t, guest, "elsewhere", "not asked for")
	require.NoError(t, os.Symlink("changed", filepath.Join(guest, "all/link")))
	require.NoError(t, os.Mkdir(filepath.Join(guest, "all/empty"), 0o755))
	require.NoError(t, os.Remove(filepath.Join(guest, "all/sub/gone")))
	write(t, host, "all/kept", "of the host since then")

	var archive bytes.Buffer
	require.NoError(t, before.Pack(&archive))
	u := Unpack(in(host))
	for archive.Len() > 0 { // as frames may cut it
		_, err := u.Write(archive.Next(100))
		require.NoError(t, err)
	}
	require.NoError(t, u.Close())

	assert.Equal(t, "after it", read(t, host, "all/changed"))
	assert.Equal(t, "after it", read(t, host, "all/link"))
	assert.Equal(t, "new", read(t, host, "all/new/deep/file"))
	assert.Equal(t, "one", read(t, host, "one.out"))
	assert.Equal(t, "of the host since then", read(t, host, "all/kept"))
	assert.FileExists(t, filepath.Join(host, "all/sub/gone"))
	assert.DirExists(t, filepath.Join(host, "all/empty"))
	assert.NoFileExists(t, filepath.Join(host, "never.out"))
	assert.NoFileExists(t, filepath.Join(host, "elsewhere"))
	fi, err := os.Stat(filepath.Join(host, "one.out"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o640), fi.Mode())
}

func TestNothingAskedFor(t *testing.T) {
	var archive bytes.Buffer
	require.NoError(t, Look(nil).Pack(&archive))
	assert.Zero(t, archive.Len())
	assert.NoError(t, Unpack(nil).Close())
}

// A guest that dies leaves half an archive: no half of a file comes of it.
func TestCutOff(t *testing.T) {
	guest, host := t.TempDir(), t.TempDir()
	before := Look([]string{guest})
	write(t, guest, "a", "whole")
	write(t, guest, "b", "cut off")
	var archive bytes.Buffer
	require.NoError(t, before.Pack(&archive))
	u := Unpack([]string{host})
	_, err := u.Write(archive.Next(512 + 512 + 512 + 3)) // a with its header, b's header, three bytes
	require.NoError(t, err)
	assert.ErrorIs(t, u.Close(), io.ErrUnexpectedEOF)
	assert.Equal(t, "whole", read(t, host, "a"))
	left, err := os.ReadDir(host)
	require.NoError(t, err)
	assert.Len(t, left, 1)
}

// Nothing is written outside what was asked for, whatever the guest sends.
func TestOutside(t *testing.T) {
	for name, entries := range map[string][]tar.Header{
		"a number that nobody gave": {{Name: "1/x", Typeflag: tar.TypeReg}},
		"no number":                 {{Name: "x", Typeflag: tar.TypeReg}},
		"above":                     {{Name: "0/../x", Typeflag: tar.TypeReg}},
		"through a link":            {{Name: "0/up", Typeflag: tar.TypeSymlink, Linkname: ".."}, {Name: "0/up/x", Typeflag: tar.TypeReg}},
		"a device":                  {{Name: "0/x", Typeflag: tar.TypeChar}},
	} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			host := filepath.Join(top, "host")
			require.NoError(t, os.Mkdir(host, 0o755))
			var archive bytes.Buffer
			w := tar.NewWriter(&archive)
			for _, h := range entries {
				require.NoError(t, w.WriteHeader(&h))
			}
			require.NoError(t, w.Close())
			u := Unpack([]string{host})
			_, _ = u.Write(archive.Bytes())
			assert.Error(t, u.Close())
			assert.NoFileExists(t, filepath.Join(top, "x"))
			assert.NoFileExists(t, filepath.Join(host, "x"))
		})
	}
}
