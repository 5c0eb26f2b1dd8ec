package source

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform"
	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/deviation"
	"github.com/nkconform/nkconform/harness/image"
	"github.com/nkconform/nkconform/report"
)

// versions are those that the tests use, if they are in the cache: to fetch one takes
// 150 megabytes.
var versions = []string{"7.3", "6.12"}

// tree returns the folder of a cached source.
func tree(t *testing.T, version string) string {
	if runtime.GOARCH != "amd64" {
		t.Skip("the kernel's code can be loaded on amd64 alone")
	}
	if _, err := compiler(); err != nil {
		t.Skip(err)
	}
	dir, ok := image.CachedSourceFiles(version, Files)
	if !ok {
		t.Skipf("no source of Linux %s in the cache: nkconform run --backend source:debian:%s fetches it", version, version)
	}
	return dir
}

// play plays the suite and counts the ends.
func play(t *testing.T, s *Source) (ends map[conformance.Status]int, failed []string) {
	all, err := conformance.Load(nkconform.Scenarios())
	require.NoError(t, err)
	ends = map[conformance.Status]int{}
	for _, sc := range all {
		k, err := s.New()
		require.NoError(t, err)
		r := conformance.Run(k, sc)
		if err := k.Shutdown(); err != nil { // a warning of the kernel's
			r.Status, r.Failure = conformance.Failed, &conformance.Failure{Detail: err.Error()}
		}
		if ends[r.Status]++; r.Status == conformance.Failed {
			failed = append(failed, sc.ID+": "+r.Failure.String())
		}
	}
	return ends, failed
}

func TestSuite(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			s, err := Open(t.Context(), "tree:"+tree(t, version), nil)
			require.NoError(t, err)
			ends, failed := play(t, s)
			assert.Empty(t, unknown(t, version, failed))
			assert.Greater(t, ends[conformance.Passed], 700)
			t.Log(ends)
		})
	}
}

// unknown leaves out what the release is known to do otherwise.
func unknown(t *testing.T, version string, failed []string) (rest []string) {
	text, err := os.ReadFile("../../matrix/deviations.txt")
	require.NoError(t, err)
	list, err := deviation.Parse("deviations", string(text))
	require.NoError(t, err)
	for _, f := range failed {
		id, came, _ := strings.Cut(f, ": ")
		run := &report.Run{Kernel: report.Kernel{Release: version}}
		run.AddCase(report.Case{ID: id, Status: report.Failed, Failure: &report.Failure{Detail: came}})
		if list.Apply(run); run.Cases[0].Status == report.Failed {
			rest = append(rest, f)
		}
	}
	return rest
}

// One condition less in the kernel's code, and scenarios fail.
func TestBroken(t *testing.T) {
	from := tree(t, versions[0])
	for _, tc := range []struct{ file, old, new, scenario string }{
		{"kernel/bpf/mprog.c", "return -ESTALE;", "return -EINVAL;", "revision/stale"},
		{"kernel/bpf/mprog.c", "bpf_mprog_exists(entry, prog_new)", "0", "attach/duplicate"},
		{"drivers/net/netkit.c", "if (!nk->primary)", "if (0)", "device/"},
		{"kernel/bpf/syscall.c", "if (flags & ~BPF_F_REPLACE)", "if (0)", "link-update/flags"},
	} {
		dir := t.TempDir()
		require.NoError(t, os.CopyFS(dir, os.DirFS(from)))
		path := filepath.Join(dir, tc.file)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Contains(t, string(text), tc.old)
		require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), tc.old, tc.new)), 0o644))
		s, err := Open(t.Context(), "tree:"+dir, nil)
		require.NoError(t, err)
		_, failed := play(t, s)
		assert.NotEmpty(t, failed, tc.old)
		assert.Contains(t, strings.Join(failed, "\n"), tc.scenario, tc.old)
	}
}

// What there is no way to make is told in one line.
func TestOpenFails(t *testing.T) {
	_, err := Open(t.Context(), "debian", nil)
	assert.EqualError(t, err, `unknown source "debian": expected debian:VERSION or tree:FOLDER`)
	_, err = Open(t.Context(), "debian:x", nil)
	assert.EqualError(t, err, `kernel source x: bad version "x": want one like 7.3 or 6.12`)
	_, err = Open(t.Context(), "tree:"+t.TempDir(), nil)
	assert.ErrorContains(t, err, "this is no kernel source tree with netkit")
}

func TestNoCompiler(t *testing.T) {
	dir := tree(t, versions[0])
	t.Setenv("CC", "no-such-compiler")
	_, err := Open(t.Context(), "tree:"+dir, nil)
	assert.ErrorIs(t, err, exec.ErrNotFound)
	assert.ErrorContains(t, err, "no compiler for C: install gcc or clang, or name one in CC")
}
