package html

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/fake"
)

// The page is one file: nothing in it is loaded from elsewhere, and the browser is told
// to load nothing.
func TestPageLoadsNothing(t *testing.T) {
	page, err := Page(Kernel{Wasm: []byte("packed"), Exec: []byte("exec")}, "v1<2>")
	require.NoError(t, err)
	text := string(page)
	for _, loads := range []string{`\ssrc=`, `url\(`, `@import`, `href="http`, `\bfetch\(`, `XMLHttpRequest`, `WebSocket\(`, `\bimport\(`, `sendBeacon`} {
		require.NotRegexp(t, regexp.MustCompile(loads), text)
	}
	require.Contains(t, text, `default-src 'none'`)
	require.Contains(t, text, `id="kernel">cGFja2Vk</script>`)
	require.Contains(t, text, "nkconform v1&lt;2>")
	require.Equal(t, 4, strings.Count(text, "</script>"))
	require.Contains(t, text, `id="first">{"Link":"","Release":"`+fake.Newest.String()+`"`)
}

// The same bytes are packed to the same, so that a release can be made again.
func TestPackIsTheSameEachTime(t *testing.T) {
	a, err := pack([]byte(strings.Repeat("kernel", 1000)))
	require.NoError(t, err)
	b, err := pack([]byte(strings.Repeat("kernel", 1000)))
	require.NoError(t, err)
	require.Equal(t, a, b)
	require.Less(t, len(a), 200)
}

// Where there are no sources, it is said what to do.
func TestSourcesThatAreNotThere(t *testing.T) {
	dir, err := sources("v0.0.0")
	require.NoError(t, err)
	require.FileExists(t, dir+"/go.mod")
	t.Setenv("PATH", t.TempDir())
	_, err = Build("(devel)")
	require.ErrorContains(t, err, "takes Go (https://go.dev/dl)")
}
