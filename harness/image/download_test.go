package image

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/internal/doctor"
)

// aptStub stands in for apt-get, which tells of a file, and for apt-helper, which
// fetches it. Each call of that appends half of "kernel" to what is there, and
// fails until it is whole, as if the line were cut again and again. Like apt-get,
// it removes what a download has left where it runs.
const aptStub = `#!/bin/sh
file=downloads/k.deb
case "$*" in
*--print-uris*) rm -f k.deb; echo "'http://mirror.example/k.deb' k.deb 6 SHA256:$SUM"; exit ;;
*"download-file http://mirror.example/k.deb "*"/$file SHA256:$SUM") ;;
*) echo "E: not expected: $*" >&2; exit 100 ;;
esac
have=$(cat $file 2>/dev/null)
rest=kernel; rest=${rest#"$have"}
[ "$rest" = kernel ] && [ -n "$have" ] && have= # not the beginning of it: apt starts anew
printf '%s' "$have$(printf '%.3s' "$rest")" >$file
echo "$have" >>attempts
[ "$(cat $file)" = kernel ] || { echo "E: Connection failed" >&2; exit 100; }
`

func TestDownloadGoesOn(t *testing.T) {
	doctor.NeedProgram(t, "/bin/sh", "cat", "rm") // the stub is a script
	const right = "6923dd1bc0460082c5d55a831908c24a282860b7f1cd6c2b79cf1bc8857c639c"
	for _, tc := range []struct {
		name, left, sum string
		attempts        string // what each attempt found
		err             string
	}{
		{"cut off once", "", right, "\nker\n", ""},
		{"by an earlier process", "ker", right, "ker\n", ""},
		{"bad", "", "00", "\nker\n", "damaged"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			a := &apt{dir: dir}
			require.NoError(t, os.MkdirAll(filepath.Join(dir, "downloads"), 0o755))
			stubApt(t, dir, aptStub)
			t.Setenv("SUM", tc.sum)
			if tc.left != "" {
				require.NoError(t, os.WriteFile(filepath.Join(dir, "downloads/k.deb"), []byte(tc.left), 0o644))
			}
			path, err := a.download(t.Context(), "k", "=1")
			attempts, errRead := os.ReadFile(filepath.Join(dir, "attempts"))
			require.NoError(t, errRead)
			assert.Equal(t, tc.attempts, string(attempts))
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				assert.NoFileExists(t, path, "what is bad is not kept")
				return
			}
			require.NoError(t, err)
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, "kernel", string(text))
		})
	}
}

// stubApt has a script stand in for apt's programs.
func stubApt(t *testing.T, dir, script string) {
	stub := filepath.Join(dir, "apt-get")
	require.NoError(t, os.WriteFile(stub, []byte(script), 0o755))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	real := aptHelper
	aptHelper = stub
	t.Cleanup(func() { aptHelper = real })
}

// A download that takes long is told of as it goes, on a line that is replaced,
// and is ended with what apt has started: the stub waits for a signal, as if
// the mirror said no more.
func TestDownloadIsToldOfAndEnds(t *testing.T) {
	doctor.NeedProgram(t, "/bin/sh", "head", "sleep") // the stub is a script
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "downloads"), 0o755))
	stubApt(t, dir, `#!/bin/sh
case "$*" in *--print-uris*) echo "'http://mirror.example/k.deb' k.deb 2500000 SHA256:00"; exit ;; esac
trap 'echo ended >helper; exit 1' INT
head -c 1500000 /dev/zero >downloads/k.deb
sleep 60 & wait
`)
	ctx, cancel := context.WithCancel(t.Context())
	told := newToldOf("fetching 1.5 of 2.5 MB of k.deb\r")
	go func() {
		<-told.found
		cancel()
	}()
	_, err := (&apt{dir: dir, opts: Options{Progress: told}}).download(ctx, "k", "=1")
	require.ErrorIs(t, err, context.Canceled)
	assert.FileExists(t, filepath.Join(dir, "helper"), "apt may make an orderly end")
	assert.EqualValues(t, 1500000, size(filepath.Join(dir, "downloads/k.deb")), "what it has fetched is kept")
	assert.True(t, strings.HasSuffix(told.all, "\r"), "nothing stays on the line: %q", told.all)
}

// toldOf waits for a text among what is told.
type toldOf struct {
	text, all string
	found     chan struct{}
}

func newToldOf(text string) *toldOf { return &toldOf{text: text, found: make(chan struct{})} }

func (w *toldOf) Write(b []byte) (int, error) {
	had := strings.Contains(w.all, w.text)
	if w.all += string(b); !had && strings.Contains(w.all, w.text) {
		close(w.found)
	}
	return len(b), nil
}

func TestParseURIs(t *testing.T) {
	f, err := parseURIs("'http://mirror.example/pool/a_1%2b2_amd64.deb' a_1+2_amd64.deb 1053748 SHA256:ff56\n")
	require.NoError(t, err)
	assert.Equal(t, archiveFile{"http://mirror.example/pool/a_1%2b2_amd64.deb", "a_1+2_amd64.deb", 1053748, "ff56"}, f)
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

// Lists that cannot be renewed do for what they have, and are told of otherwise.
func TestFindInOldLists(t *testing.T) {
	doctor.NeedProgram(t, "/bin/sh") // the stub is a script
	dir := t.TempDir()
	stubApt(t, dir, `#!/bin/sh
case "$*" in
*update) echo "E: no network" >&2; exit 100 ;;
*"pkgnames linux-image-") echo linux-image-7.1.13-cloud-amd64 ;;
*pkgnames*) ;;
*madison*) echo "linux-image-7.1.13-cloud-amd64 | 7.1.13-1 | a source" ;;
esac
`)
	require.NoError(t, os.Symlink(filepath.Join(dir, "apt-get"), filepath.Join(dir, "apt-cache")))
	var told strings.Builder
	a := &apt{dir: dir, opts: Options{Progress: &told}}
	k, err := a.find(t.Context(), "7.1", DefaultFlavour)
	require.NoError(t, err)
	assert.Equal(t, "7.1.13-cloud-amd64", k.release)
	assert.Contains(t, told.String(), "using old package lists: apt-get update: exit status 100: no network\n")
	assert.NoFileExists(t, a.updated())
	_, err = a.find(t.Context(), "7.2", DefaultFlavour)
	assert.ErrorContains(t, err, "no Debian kernel 7.2 of flavour cloud-amd64 in old package lists: apt-get update: exit status 100: no network")
}
