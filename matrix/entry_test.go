package matrix

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseEntry(t *testing.T) {
	for _, tc := range []struct {
		text, machine string
		want          Entry
		err           string
	}{
		{"debian:6.12", "auto", Entry{"debian:6.12", "auto"}, ""},
		{"debian:6.12@vng", "auto", Entry{"debian:6.12", "vng"}, ""},
		{"debian:6.12@auto", "vng", Entry{"debian:6.12", "auto"}, ""},
		{"/tmp/a@b/vmlinuz", "qemu", Entry{"/tmp/a@b/vmlinuz", "qemu"}, ""},
		{"@vng", "auto", Entry{}, `"@vng" names no image`},
		{"k", "no machine", Entry{}, `unknown machine "no machine"`},
	} {
		got, err := ParseEntry(tc.text, tc.machine)
		if tc.err != "" {
			require.ErrorContains(t, err, tc.err)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, tc.want, got)
		again, err := ParseEntry(got.String(), Auto)
		require.NoError(t, err)
		require.Equal(t, got, again)
	}
}

func TestDefaults(t *testing.T) {
	list, err := ParseList("built-in", DefaultList, Auto)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(list), 10)
	_, err = DefaultDeviations()
	require.NoError(t, err)
	_, err = ParseList("f", "# nothing\n\n", Auto)
	require.EqualError(t, err, "f lists no kernels")
	_, err = ParseList("f", "a\n@vng # b\n", Auto)
	require.EqualError(t, err, `f:2: "@vng" names no image`)
}

func TestShardsPartition(t *testing.T) {
	list := entries("a", "b", "c", "d", "e")
	var all []Entry
	for _, spec := range []string{"1/3", "2/3", "3/3"} {
		share, err := Shard(list, spec)
		require.NoError(t, err)
		all = append(all, share...)
	}
	require.ElementsMatch(t, list, all)
	for _, bad := range []string{"", "1", "0/3", "4/3", "a/b", "1/3x", "-1/2"} {
		_, err := Shard(list, bad)
		require.Error(t, err, bad)
	}
	share, err := Shard(list[:1], "2/2")
	require.NoError(t, err)
	require.Empty(t, share)
}

func TestJobs(t *testing.T) { require.Positive(t, Jobs()) }
