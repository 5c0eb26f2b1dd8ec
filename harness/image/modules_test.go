package image

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bzImage is the head of a kernel image that tells its version.
func bzImage(version string) []byte {
	b := make([]byte, 2048)
	copy(b[offMagic:], "HdrS")
	binary.LittleEndian.PutUint16(b[offRelease:], 1024)
	copy(b[1024+512:], version+"\x00")
	return b
}

func TestReleaseOf(t *testing.T) {
	for text, want := range map[string]string{
		string(bzImage("6.12.95-cloud-amd64 (a@b) #1 SMP")): "6.12.95-cloud-amd64",
		string(bzImage("6.12.95")):                          "",
		string(bzImage("../../etc (a@b)")):                  "",
		string(bzImage("6.12.95 x")[:1200]):                 "",
		"no kernel":                                         "",
	} {
		file := filepath.Join(t.TempDir(), "vmlinuz")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		assert.Equal(t, want, releaseOf(file))
	}
	assert.Empty(t, releaseOf("nosuch"))
}

// Where the modules of a kernel are, or why there are none.
func TestFetchModules(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	cache, err := CacheDir()
	require.NoError(t, err)
	tree, cached := t.TempDir(), filepath.Join(cache, "kernels", "7.3.4")
	for name, text := range map[string]string{
		filepath.Join(tree, "arch/x86/boot/bzImage"): string(bzImage("9.9.9-tree (a@b)")),
		filepath.Join(tree, "modules.order"):         "",
		filepath.Join(tree, "vmlinuz"):               string(bzImage("9.9.9-nowhere (a@b)")),
		filepath.Join(tree, "vmlinux"):               "\x7fELF",
		filepath.Join(tree, "linux"):                 "#!/bin/sh\n",
		filepath.Join(cached, "vmlinuz"):             "",
		filepath.Join(cached, "modules/modules.dep"): "",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o755))
	}
	for _, test := range []struct{ ref, dir, err string }{
		{"tree:" + tree, tree, ""},
		{filepath.Join(tree, "vmlinuz"), "", "no modules: they are looked for in /lib/modules/9.9.9-nowhere, which is not there"},
		{filepath.Join(tree, "vmlinux"), "", "no modules: its release cannot be told"},
		{"uml:" + filepath.Join(tree, "linux"), "", "no modules: a User-Mode Linux has built in what it has"},
		{"vng:v6.12", "", "no modules: virtme-ng looks after those of its kernels by itself"},
	} {
		img, err := Resolve(t.Context(), test.ref, Options{})
		require.NoError(t, err)
		dir, err := img.FetchModules(t.Context(), Options{})
		assert.Equal(t, test.dir, dir)
		if test.err != "" {
			assert.EqualError(t, err, "modules of "+test.ref+": "+test.err)
			assert.ErrorIs(t, err, ErrNoModules)
		}
	}
	all, err := Cached()
	require.NoError(t, err)
	dir, err := all[0].FetchModules(t.Context(), Options{})
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(cached, "modules"), dir)
}

// Where Debian has the modules of a kernel has changed, and not all that belongs
// together is there for long.
func TestModulePackages(t *testing.T) {
	for _, test := range []struct {
		name  string
		found []string
		want  []pkg
		err   string
	}{
		{"one package", []string{"linux-image-R", "linux-image-R-unsigned"}, []pkg{{"linux-image-R", "1"}}, ""},
		{"one that is not signed", []string{"linux-image-R-unsigned"}, []pkg{{"linux-image-R-unsigned", "1"}}, ""},
		{"parts", []string{"linux-image-R", "linux-binary-R", "linux-base-R", "linux-modules-R"}, []pkg{{"linux-modules-R", "1"}, {"linux-base-R", "1"}}, ""},
		{"no list of what is built in", []string{"linux-binary-R", "linux-modules-R"}, []pkg{{"linux-modules-R", "1"}}, ""},
		{"the kernel alone", []string{"linux-image-R", "linux-binary-R"}, nil, "no modules: Debian has the package linux-binary-R, and linux-modules-R no more"},
		{"another kernel", []string{"linux-image-R2"}, nil, "no modules: Debian has no package of R any more"},
	} {
		var found []pkg
		for _, name := range test.found {
			found = append(found, pkg{name, "1"})
		}
		got, err := modulePackages(found, "R")
		assert.Equal(t, test.want, got, test.name)
		if test.err != "" {
			assert.EqualError(t, err, test.err, test.name)
			assert.ErrorIs(t, err, ErrNoModules, test.name)
		}
	}
}

// That there are none is remembered for as long as package lists are.
func TestNoModulesAreNoted(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "modules")
	_, ok := notedNone(dest)
	assert.False(t, ok)
	require.NoError(t, writeFile(noneFile(dest), "gone"))
	text, ok := notedNone(dest)
	assert.True(t, ok)
	assert.EqualError(t, noModules(text), "no modules: gone")
	old := time.Now().Add(-listLife - time.Minute)
	require.NoError(t, os.Chtimes(noneFile(dest), old, old))
	_, ok = notedNone(dest)
	assert.False(t, ok)
}

func TestNewest(t *testing.T) {
	all := []pkg{{"a", "6.12.9-1"}, {"b", "7"}, {"a", "6.12.10-1"}, {"a", "6.12.10~rc1-1"}}
	p, ok := newest(all, "a")
	assert.True(t, ok)
	assert.Equal(t, "6.12.10-1", p.version)
	_, ok = newest(all, "c")
	assert.False(t, ok)
}
