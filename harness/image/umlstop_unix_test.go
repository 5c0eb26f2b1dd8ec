//go:build unix

package image

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// endlessMakefile compiles forever, and tells when it has begun to.
const endlessMakefile = `
allnoconfig:
	@cp "$(KCONFIG_ALLCONFIG)" "$(O)/.config"
linux:
	@echo half > "$(O)/linux"
	@echo began > "$(srctree)began"
	@sleep 60
`

func TestInterruptedBuildLeavesNothing(t *testing.T) {
	cache, tree := ownCache(t), t.TempDir()
	began := filepath.Join(tree, "began")
	t.Setenv("srctree", tree+"/")
	require.NoError(t, unix.Mkfifo(began, 0o600))
	require.NoError(t, os.MkdirAll(filepath.Join(tree, "arch/um"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(tree, "Makefile"), []byte(endlessMakefile), 0o644))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := BuildUML(ctx, tree, Options{})
		ended <- err
		if err != nil && strings.Contains(err.Error(), " is missing: install") {
			os.WriteFile(began, nil, 0o600) // lets the reader go
		}
	}()
	_, err := os.ReadFile(began)
	require.NoError(t, err)
	cancel()
	err = <-ended
	skipWithoutTools(t, err)
	require.ErrorIs(t, err, context.Canceled)
	left, err := os.ReadDir(filepath.Join(cache, "uml"))
	require.NoError(t, err)
	require.Empty(t, left)
}
