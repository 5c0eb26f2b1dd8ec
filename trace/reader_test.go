package trace

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func readerOf(t *testing.T, lines ...string) *Reader {
	r := NewReader("t")
	for _, l := range lines {
		_, err := r.Line(l)
		require.NoError(t, err)
	}
	return r
}

func TestReaderKnowsWhatItsLinesDeclared(t *testing.T) {
	r := readerOf(t, "netkit nk0 nk1", "prog a b")
	_, err := r.Line("attach nk0:primary c")
	require.ErrorContains(t, err, `t:3:20: no program or link is called "c": expected one of a, b`)
	l, err := r.Line("link l nk0:primary a")
	require.NoError(t, err)
	r.Refused(l.Statement)
	_, err = r.Line("link-detach l")
	require.ErrorContains(t, err, "t:5:13: ")
	_, err = r.Line("link l nk0:primary b")
	require.NoError(t, err)
}

func TestComplete(t *testing.T) {
	r := readerOf(t, "netkit nk0 nk1", "prog a b", "link l nk0:peer a", "process q")
	for _, tc := range []struct{ line, want string }{
		{"att", "0: attach"},
		{"q: at", "3: attach"},
		{"attach nk", "7: nk0:egress nk0:ingress nk0:peer nk0:primary nk1:egress nk1:ingress nk1:peer nk1:primary"},
		{"attach nk0:primary ", "19: a b l"},
		{"attach nk0:primary b e", "21: expected_revision="},
		{"attach nk0:primary b flags=be", "21: flags=before"},
		{"attach nk0:primary b flags=before|l", "21: flags=before|link"},
		{"attach nk0:primary b flags=before relative_fd=", "34: relative_fd=a relative_fd=b relative_fd=l"},
		{"attach nk0:primary b flags=0 f", "29: "},
		{"netkit x y pol", "11: policy="},
		{"need !net", "5: "},
		{"need net", "5: netkit"},
		{"nothing ", "8: "},
		{"attach nk0:primary a = ", "23: "},
		{"# at", "4: "},
		{"pin /", "4: /sys/fs/bpf/"},
	} {
		words, start := r.Complete(tc.line)
		require.Equal(t, tc.want, strings.TrimRight(itoa(start)+": "+strings.Join(words, " "), "")+"", tc.line)
	}
}

func itoa(n int) string { return strings.TrimSpace(FormatNumbers([]uint32{uint32(n)})) }
