//go:build amd64 || arm64

package intercept

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/intercept/layout"
)

// What maps and links of struct_ops answer is what Linux 6.12 and 7.3 printed, for the target
// that was run there as root.
func TestOperations(t *testing.T) {
	types, err := layout.Running()
	if err != nil || types.StructureID("bpf_struct_ops_tcp_congestion_ops") == 0 {
		t.Skip("the running kernel tells of no congestion controls of programs:", err)
	}
	recorded, err := os.ReadFile("testdata/operations.txt")
	require.NoError(t, err)
	told := ""
	for line := range strings.Lines(output(t, target(t, "", "operations"))) {
		if !strings.HasPrefix(line, "nkconform: ") {
			told += line
		}
	}
	require.Equal(t, string(recorded), told)
}
