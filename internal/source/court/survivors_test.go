package court

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/internal/source/cmutate"
)

func TestSurvivors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "known")
	require.NoError(t, os.WriteFile(file, []byte("# words\nf: left out = it is\nx.c g: condition 1 * = a reason\nx.c g: number 2, [1], becomes 3 = b\n"), 0o644))
	known, err := Survivors(file)
	require.NoError(t, err)
	assert.Equal(t, map[string]bool{"f": true}, known.LeftOut)
	for what, want := range map[string]string{
		"condition 1 is turned round": "a reason", "condition 1 always holds": "a reason", "condition 12 always holds": "",
		"number 2, [1], becomes 3": "b", "number 2, 1, becomes 3": "",
	} {
		reason, ok := known.Reason(cmutate.Mutant{File: "kernel/x.c", Function: "g", What: what})
		assert.Equal(t, want, reason, what)
		assert.Equal(t, want != "", ok, what)
	}

	require.NoError(t, os.WriteFile(file, []byte("\nx.c g: condition 1\n"), 0o644))
	_, err = Survivors(file)
	assert.EqualError(t, err, "known survivors, line 2: expected KEY = REASON")
	_, err = Survivors("")
	assert.NoError(t, err)
}
