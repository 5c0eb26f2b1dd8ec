package harness

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What one process finds out of KVM another one knows, until the host boots.
func TestBrokenKVMIsRemembered(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	was := kvmBroken.Load()
	t.Cleanup(func() { kvmBroken.Store(was) })
	kvmBroken.Store(false)
	assert.False(t, kvmIsBroken())
	noteKVMBroken()
	assert.True(t, kvmIsBroken())
	kvmBroken.Store(false) // another process
	assert.True(t, kvmIsBroken())

	file, _, err := kvmNote()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte("another boot\n"), 0o644))
	assert.False(t, kvmIsBroken())
}
