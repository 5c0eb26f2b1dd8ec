package ids

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReplace(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "",
		"fd 3 is program id 12 (a)":   "fd 3 is <program 12>",
		"program id 1, at position 2": "<program 1>, at position 2",
		"link id 7 (l) owns program id 1 (p_2), no id here": "<link 7> owns <program 1>, no id here",
		"program id x, link id ":                            "program id x, link id ",
		"device id 4 (q), link id 99999999999":              "device id 4 (q), link id 99999999999",
		"program id 1 (never closed":                        "<program 1> (never closed",
	} {
		require.Equal(t, want, Replace(text, func(kind string, id uint32) string { return fmt.Sprintf("<%s %d>", kind, id) }), text)
	}
}
