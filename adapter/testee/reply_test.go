package testee

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

func TestParseReply(t *testing.T) {
	for line, want := range map[string]reply{
		"ok":                     {words: map[string]string{}},
		" ok link_id=2 \r":       {words: map[string]string{"link_id": "2"}},
		"errno 116":              {errno: mprog.ESTALE, words: map[string]string{}},
		"errno 28 count=2":       {errno: mprog.ENOSPC, words: map[string]string{"count": "2"}},
		"unsupported no such fn": {unsupported: "no such fn", words: map[string]string{}},
		"unsupported":            {unsupported: "the testee does not say why", words: map[string]string{}},
	} {
		got, err := parseReply(line)
		require.NoError(t, err, line)
		require.Equal(t, want, got, line)
	}
	for line, want := range map[string]string{
		"":            "expected ok, errno or unsupported",
		"OK":          "expected ok, errno or unsupported",
		"errno":       "expected a number behind errno",
		"errno 0":     "is no errno",
		"errno -22":   "is no errno",
		"errno 99999": "is no errno",
		"ok link_id":  `expected KEY=VALUE instead of "link_id"`,
		"ok =2":       `expected KEY=VALUE instead of "=2"`,
	} {
		_, err := parseReply(line)
		require.ErrorContains(t, err, want, line)
	}
}

func TestReplyWords(t *testing.T) {
	r, err := parseReply("ok revision=18446744073709551615 count=x prog_ids=7,8 link_ids= bad=1,,2")
	require.NoError(t, err)
	n, err := r.number("revision", 64)
	require.NoError(t, err)
	require.Equal(t, ^uint64(0), n)
	_, err = r.number("revision", 32)
	require.EqualError(t, err, "reply: revision=18446744073709551615 is no number of 32 bits")
	_, err = r.number("count", 32)
	require.Error(t, err)
	_, err = r.number("absent", 32)
	require.EqualError(t, err, "reply has no absent")

	ids := make([]uint32, 2)
	got, err := r.ids("prog_ids", ids)
	require.NoError(t, err)
	require.Equal(t, 2, got)
	require.Equal(t, []uint32{7, 8}, ids)
	got, err = r.ids("link_ids", ids)
	require.NoError(t, err)
	require.Zero(t, got)
	_, err = r.ids("prog_ids", ids[:1])
	require.EqualError(t, err, "reply: prog_ids has 2 ids, asked for were 1")
	_, err = r.ids("bad", make([]uint32, 3))
	require.EqualError(t, err, `reply: bad: "" is no id`)
}

func FuzzParseReply(f *testing.F) {
	f.Add("ok revision=3 count=2 prog_ids=7,8 link_ids=0,2")
	f.Add("errno 116")
	f.Add("unsupported x")
	f.Fuzz(func(t *testing.T, line string) {
		r, err := parseReply(line)
		if err == nil && r.errno != 0 && r.unsupported != "" {
			t.Errorf("%q is both refused and unsupported", line)
		}
		_, _ = r.number("revision", 64)
		_, _ = r.ids("prog_ids", make([]uint32, 4))
	})
}
