package image

import (
	"os"
	"path/filepath"
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
	require.ErrorContains(t, err, "build uml from ")
	left, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "nkconform/uml/*"))
	require.NoError(t, err)
	hidden, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "nkconform/uml/.*"))
	require.NoError(t, err)
	require.Empty(t, append(left, hidden...), "nothing stays behind")
}
