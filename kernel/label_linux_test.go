package kernel

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

// The threads that act for an environment are called what it is labeled, also those
// that have been another process's before.
func TestLabel(t *testing.T) {
	k := newKernel(t)
	name := func(p *Process) string {
		b, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/comm", p.thread.tid))
		require.NoError(t, err)
		return strings.TrimSpace(string(b))
	}
	for _, label := range []string{"scenario-1", "scenario-2"} {
		require.NoError(t, k.Label(label))
		assert.Equal(t, label, name(k.Process))
		p, err := k.NewProcess(mprog.ProcessSpec{})
		require.NoError(t, err)
		assert.Equal(t, label, name(p.(*Process)))
		require.NoError(t, p.Exit())
	}
	require.NoError(t, k.Label("a name that is too long"))
	assert.Equal(t, "a name that is ", name(k.Process)+" ")
	assert.ErrorContains(t, k.Label("\x00"), "invalid argument")
}
