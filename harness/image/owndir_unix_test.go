//go:build unix

package image

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOwnDir(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "cache")
	require.NoError(t, ownDir(dir))
	require.NoError(t, ownDir(dir), "it is there")
	require.NoError(t, os.Chmod(dir, 0o777))
	assert.ErrorContains(t, ownDir(dir), "is not this user's alone")
	link := filepath.Join(parent, "link")
	require.NoError(t, os.Symlink(t.TempDir(), link))
	assert.ErrorContains(t, ownDir(link), "is not this user's alone", "another can have made it")
}
