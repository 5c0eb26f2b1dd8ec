package image

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseURIs(t *testing.T) {
	f, err := parseURIs("'http://mirror.example/pool/a_1%2b2_amd64.deb' a_1+2_amd64.deb 1053748 SHA256:ff56\n")
	require.NoError(t, err)
	assert.Equal(t, archiveFile{"a_1+2_amd64.deb", 1053748, "ff56"}, f)
	for _, bad := range []string{"", "'u' f 1", "'u' f one SHA256:00", "'u' f 1 MD5Sum:00", "'u' ../f 1 SHA256:00"} {
		_, err := parseURIs(bad)
		assert.ErrorContains(t, err, "cannot read apt's answer", bad)
	}
}

func TestCheckSum(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(file, []byte("abc"), 0o644))
	assert.NoError(t, checkSum(file, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"))
	assert.ErrorContains(t, checkSum(file, "00"), "damaged")
	assert.ErrorIs(t, checkSum(file+"x", "00"), os.ErrNotExist)
}

func TestCheckSpace(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("not measured here")
	}
	assert.NoError(t, checkSpace(t.TempDir(), 1))
	err := checkSpace(t.TempDir(), 1<<62)
	assert.ErrorContains(t, err, "no space left on device: ")
	assert.ErrorContains(t, err, "are needed")
}
