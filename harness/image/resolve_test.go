package image

import (
	"archive/tar"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ownCache gives the test a cache directory of its own.
func ownCache(t *testing.T) string {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	dir, err := CacheDir()
	require.NoError(t, err)
	return dir
}

func TestResolveFiles(t *testing.T) {
	dir := t.TempDir()
	kernel := filepath.Join(dir, "arch/x86/boot/bzImage")
	require.NoError(t, os.MkdirAll(filepath.Dir(kernel), 0o755))
	require.NoError(t, os.WriteFile(kernel, nil, 0o755))
	for ref, want := range map[string]Image{
		kernel:           {Kind: BZImage, Kernel: kernel},
		"path:" + kernel: {Kind: BZImage, Kernel: kernel},
		"tree:" + dir:    {Kind: BZImage, Kernel: kernel},
		"uml:" + kernel:  {Kind: UML, Kernel: kernel},
		"vng:v6.12":      {Kind: VNG, Kernel: "v6.12"},
	} {
		img, err := Resolve(t.Context(), ref, Options{})
		want.Ref = ref
		require.NoError(t, err, ref)
		assert.Equal(t, want, img)
	}
}

func TestResolveErrors(t *testing.T) {
	ownCache(t)
	bare, data := t.TempDir(), filepath.Join(t.TempDir(), "linux")
	require.NoError(t, os.MkdirAll(filepath.Join(bare, "arch/x86"), 0o755))
	require.NoError(t, os.WriteFile(data, nil, 0o644))
	for ref, want := range map[string]string{
		"no/such/file":      "no such file",
		"path:no/such/file": "no such file",
		t.TempDir():         "not a regular file",
		"path:":             "no file is named",
		"":                  "no file is named",
		"tree:no/such/tree": "no such file",
		"tree:" + bare:      "no kernel is built there",
		"uml:" + data:       "is not a program",
		"fedora:41":         "unknown kind",
		"debian:":           "bad version",
		"debian:trixie":     "bad version",
		"debian:6.12; rm x": "bad version",
		"debian:6.12/rt":    "unknown flavour",
		"vng:6.12":          "bad version",
	} {
		_, err := Resolve(t.Context(), ref, Options{})
		assert.ErrorContains(t, err, want, ref)
	}
}

func TestResolveDebianFromCache(t *testing.T) {
	cache := ownCache(t)
	t.Setenv("PATH", "") // no apt to ask
	kernel := filepath.Join(cache, "kernels/7.1.13-cloud-amd64/vmlinuz")
	require.NoError(t, writeFile(kernel, "a kernel"))
	require.NoError(t, writeFile(filepath.Join(cache, "kernels/refs/7.1@cloud-amd64"), "7.1.13-cloud-amd64"))

	img, err := Resolve(t.Context(), "debian:7.1", Options{})
	require.NoError(t, err)
	assert.Equal(t, Image{Ref: "debian:7.1", Kind: BZImage, Release: "7.1.13-cloud-amd64", Kernel: kernel}, img)

	_, err = Resolve(t.Context(), "debian:7.2", Options{})
	assert.ErrorContains(t, err, "apt-get is missing")
	_, err = Resolve(t.Context(), "debian:7.1", Options{Refresh: true})
	assert.ErrorContains(t, err, "apt-get is missing")

	// One that is not as it was fetched is fetched anew.
	require.NoError(t, noteSum(kernel, kernel))
	_, err = Resolve(t.Context(), "debian:7.1", Options{})
	require.NoError(t, err)
	require.NoError(t, os.Truncate(kernel, 3))
	_, err = Resolve(t.Context(), "debian:7.1", Options{})
	assert.ErrorContains(t, err, "apt-get is missing")
	require.NoError(t, os.Remove(kernel+sumSuffix))
	require.NoError(t, writeFile(kernel, "a kernel"))

	all, err := Cached()
	require.NoError(t, err)
	require.Len(t, all, 1)
	assert.Equal(t, img.Release, all[0].Release)

	freed, err := Prune(t.Context(), 0)
	require.NoError(t, err)
	assert.Equal(t, int64(len("a kernel")+len(img.Release)), freed)
	assert.NoFileExists(t, kernel)
}

func TestCopyKernel(t *testing.T) {
	const release = "7.3.4+deb13-amd64"
	for _, name := range []string{"./boot/vmlinuz-" + release, "./usr/lib/modules/" + release + "/vmlinuz", ""} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, f := range []string{"./usr/share/doc/copyright", name} {
			if f == "" {
				continue
			}
			require.NoError(t, w.WriteHeader(&tar.Header{Name: f, Size: 6, Mode: 0o644, Typeflag: tar.TypeReg}))
			_, err := w.Write([]byte("kernel"))
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
		dest := filepath.Join(t.TempDir(), "vmlinuz")
		err := copyKernel(tar.NewReader(&b), release, dest)
		if name == "" {
			assert.ErrorContains(t, err, "no kernel image")
			continue
		}
		require.NoError(t, err)
		got, err := os.ReadFile(dest)
		require.NoError(t, err)
		assert.Equal(t, "kernel", string(got))
	}
}

func TestPlaceLeavesNothingHalf(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "sub", "file")
	err := place(dest, func(tmp string) error {
		require.NoError(t, os.WriteFile(tmp, []byte("half"), 0o644))
		return os.ErrPermission
	})
	require.ErrorIs(t, err, os.ErrPermission)
	left, err := os.ReadDir(filepath.Dir(dest))
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestLockExcludes(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	var inside atomic.Int32
	for range 4 {
		wg.Go(func() {
			unlock, err := lock(t.Context(), dir, "test")
			if assert.NoError(t, err) {
				assert.EqualValues(t, 1, inside.Add(1), "holders of the lock")
				inside.Add(-1)
				unlock()
			}
		})
	}
	wg.Wait()

	unlock, err := lock(t.Context(), dir, "test")
	require.NoError(t, err)
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = lock(ctx, dir, "test")
	assert.ErrorIs(t, err, context.Canceled)
}
