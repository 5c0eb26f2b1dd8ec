package image

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUMLConfig(t *testing.T) {
	config := umlConfig()
	require.Contains(t, config, "CONFIG_NETKIT=y\n")
	require.Empty(t, missingOptions(config), "what is required is asked for")
	require.Equal(t, []string{"BPF_SYSCALL", "NETKIT"}, missingOptions("CONFIG_SSL=y\nCONFIG_BLK_DEV_INITRD=y\n# CONFIG_NETKIT is not set\n"))
}

func TestBuildUMLFails(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	_, err := BuildUML(t.Context(), t.TempDir(), Options{})
	skipWithoutTools(t, err)
	require.ErrorContains(t, err, "build uml from ")
	require.ErrorContains(t, err, "no kernel source tree")
	left, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "nkconform/uml/*"))
	require.NoError(t, err)
	hidden, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "nkconform/uml/.*"))
	require.NoError(t, err)
	require.Empty(t, append(left, hidden...), "nothing stays behind")
}

// skipWithoutTools skips a test if the error is that something to build with is
// missing.
func skipWithoutTools(t *testing.T, err error) {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), " is missing: install") {
		t.Skip(err)
	}
}

// stubMakefile stands in for a kernel's, to see all but the compiler at work.
const stubMakefile = `
allnoconfig:
	@test "$(ARCH)" = um
	@cp "$(KCONFIG_ALLCONFIG)" "$(O)/.config"
linux:
	@mkdir -p "$(O)/include/config"
	@echo 7.9.1 > "$(O)/include/config/kernel.release"
	@echo a kernel > "$(O)/linux"
	@chmod +x "$(O)/linux"
`

func TestBuildUML(t *testing.T) {
	tree := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	require.NoError(t, os.MkdirAll(filepath.Join(tree, "arch/um"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(tree, "Makefile"), []byte(stubMakefile), 0o644))
	ref, err := BuildUML(t.Context(), tree, Options{})
	skipWithoutTools(t, err)
	require.NoError(t, err)
	img, err := Resolve(t.Context(), ref, Options{})
	require.NoError(t, err)
	require.Equal(t, UML, img.Kind)
	require.Equal(t, "7.9.1", filepath.Base(filepath.Dir(img.Kernel)))
	text, err := os.ReadFile(img.Kernel)
	require.NoError(t, err)
	require.Equal(t, "a kernel\n", string(text))
	all, err := os.ReadDir(filepath.Dir(filepath.Dir(img.Kernel)))
	require.NoError(t, err)
	require.Len(t, all, 1, "nothing else stays behind")

	again, err := BuildUML(t.Context(), tree, Options{})
	require.NoError(t, err, "a newer build takes the place of the old one")
	require.Equal(t, ref, again)
}

func TestScratchOfKilledProcessesIsRemoved(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no locks there")
	}
	cache := ownCache(t)
	parent := filepath.Join(cache, "uml")
	require.NoError(t, os.MkdirAll(filepath.Join(parent, ".build-killed"), 0o755))
	dir, remove, err := makeScratch(t.Context(), cache, parent)
	require.NoError(t, err)
	require.NoDirExists(t, filepath.Join(parent, ".build-killed"))

	other, removeOther, err := makeScratch(t.Context(), cache, parent)
	require.NoError(t, err)
	require.DirExists(t, dir, "of a process that lives")
	_, err = Prune(t.Context(), 0)
	require.NoError(t, err)
	require.DirExists(t, dir, "of a process that lives")
	remove()
	removeOther()
	require.NoDirExists(t, dir)
	require.NoDirExists(t, other)
}
