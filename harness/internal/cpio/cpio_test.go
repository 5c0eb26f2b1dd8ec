package cpio

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type entry struct {
	name, body string
	ino        uint64
	mode       uint64
	nlink      uint64
}

// read parses an archive as the kernel does.
func read(t *testing.T, b []byte) (all []entry) {
	t.Helper()
	for len(b) > 0 {
		require.Equal(t, "070701", string(b[:6]))
		field := func(i int) uint64 {
			n, err := strconv.ParseUint(string(b[6+8*i:14+8*i]), 16, 32)
			require.NoError(t, err)
			return n
		}
		size, nameLen := int(field(6)), int(field(11))
		e := entry{ino: field(0), mode: field(1), nlink: field(4), name: string(b[110 : 110+nameLen-1])}
		require.Zero(t, b[110+nameLen-1], "the name ends with a NUL")
		at := (110 + nameLen + 3) &^ 3
		e.body = string(b[at : at+size])
		all = append(all, e)
		b = b[(at+size+3)&^3:]
	}
	return all
}

func TestArchive(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b)
	require.NoError(t, w.Dir("/tmp", 0o1777))
	require.NoError(t, w.File([]string{"/tmp/a", "/b"}, 0o755, 5, strings.NewReader("hello")))
	require.NoError(t, w.File([]string{"/empty"}, 0o644, 0, strings.NewReader("")))
	require.NoError(t, w.Symlink("/lib", "usr/lib"))
	require.NoError(t, w.Close())
	assert.Equal(t, []entry{
		{"tmp", "", 1, 0o041777, 2},
		{"tmp/a", "hello", 2, 0o100755, 2},
		{"b", "", 2, 0o100755, 2},
		{"empty", "", 3, 0o100644, 1},
		{"lib", "usr/lib", 4, 0o120777, 1},
		{"TRAILER!!!", "", 0, 0, 1},
	}, read(t, b.Bytes()))
}

func TestFileThatShrank(t *testing.T) {
	err := NewWriter(io.Discard).File([]string{"a"}, 0o644, 9, strings.NewReader("short"))
	assert.ErrorIs(t, err, io.EOF)
	assert.ErrorContains(t, err, "pack a")
	err = NewWriter(io.Discard).File([]string{"a"}, 0o644, 1<<32, nil)
	assert.ErrorContains(t, err, "do not fit")
}
