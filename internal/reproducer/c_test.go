package reproducer

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/internal/doctor"
)

func suite(t *testing.T) []conformance.Scenario {
	all, err := conformance.Load(os.DirFS("../../testdata/scenarios"))
	require.NoError(t, err)
	return all
}

func scenario(t *testing.T, text string) conformance.Scenario {
	s, err := conformance.Parse("test.trace", "# A rule.\n"+text)
	require.NoError(t, err)
	return s
}

// build compiles a program as strictly as a compiler of C can.
func build(t *testing.T, program string) (file string) {
	doctor.NeedProgram(t, "gcc")
	source := filepath.Join(t.TempDir(), "reproducer.c")
	file = strings.TrimSuffix(source, ".c")
	require.NoError(t, os.WriteFile(source, []byte(program), 0o600))
	out, err := exec.Command("gcc", "-std=gnu11", "-O0", "-Wall", "-Wextra", "-Werror", "-Wno-sign-compare",
		"-Wno-missing-field-initializers", "-o", file, source).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return file
}

// Of the suite, what is left out is left out for one of few reasons.
func TestSuiteIsSaid(t *testing.T) {
	reasons := map[string]int{}
	said := 0
	for _, s := range suite(t) {
		_, err := C(s)
		if err == nil {
			said++
			continue
		}
		require.ErrorIs(t, err, ErrUnsaid, s.ID)
		_, reason, _ := strings.Cut(err.Error(), ErrUnsaid.Error()+": ")
		reasons[reason]++
	}
	t.Log(said, "said, left out:", reasons)
	require.Greater(t, said, 2*len(reasons))
	for reason := range reasons {
		require.Contains(t, []string{
			"process", "netns", "send", "need clsact", "need cgroup",
			"what a query writes to an attr that is cut or damaged",
		}, reason)
	}
}

// A program's verdict is that of the trace on the running kernel.
func TestVerdicts(t *testing.T) {
	doctor.Need(t, "root", "tcx")
	var some []conformance.Scenario
	for i, s := range suite(t) {
		if _, err := C(s); err == nil && i%13 == 0 {
			some = append(some, s)
		}
	}
	program, err := C(some...)
	require.NoError(t, err)
	out, err := exec.Command(build(t, program)).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, len(some), strings.Count(string(out), "\nok "), "%s", out)
	require.Greater(t, len(some), strings.Count(string(out), "# SKIP"), "%s", out)
}

// Each wrong expectation is found, and its line told.
func TestWrongAnswers(t *testing.T) {
	doctor.Need(t, "root", "tcx")
	const stage = "need tcx\ndevice v0\nprog a b\n"
	var list []conformance.Scenario
	for _, text := range []string{
		"attach v0:ingress a ! EBUSY",
		"attach v0:ingress a = revision 3",
		"attach v0:ingress a = [b]",
		"attach v0:ingress a = []",
		"attach v0:ingress a expected_revision=2",
		"detach v0:ingress a",
		"link l v0:egress a = revision 2 [a]",
		"link l v0:egress a ! EEXIST | = [b@l]",
		"query v0:ingress = count 1",
		"query v0:egress = revision 2",
		"info a = type xdp",
		"info a = id b",
		"prog-next a = next_id a",
		"close a b ! EBADF",
		"get x /sys/fs/bpf/none",
		"bpf 999 = ok",
	} {
		list = append(list, scenario(t, stage+text+"\n"))
	}
	program, err := C(list...)
	require.NoError(t, err)
	out, err := exec.Command(build(t, program)).CombinedOutput()
	var exit *exec.ExitError
	require.True(t, errors.As(err, &exit) && exit.ExitCode() == 1, "%v: %s", err, out)
	require.Equal(t, len(list), strings.Count(string(out), "not ok "), "%s", out)
	require.Equal(t, len(list), strings.Count(string(out), "test:5: "), "%s", out)
}

// What needs another kernel is skipped, as the kernel's own tests do it.
func TestSkips(t *testing.T) {
	doctor.Need(t, "root", "tcx")
	program, err := C(scenario(t, "need !tcx\nprog a\n"))
	require.NoError(t, err)
	out, err := exec.Command(build(t, program)).CombinedOutput()
	var exit *exec.ExitError
	require.True(t, errors.As(err, &exit) && exit.ExitCode() == 4, "%v: %s", err, out)
	require.Contains(t, string(out), "# test: this kernel has tcx\nok 1 test # SKIP")
}

// A program has what it needs and nothing else: the compiler would tell of both.
func TestNothingIsUnused(t *testing.T) {
	for i, s := range suite(t) {
		if i%97 != 0 {
			continue
		}
		program, err := C(s)
		if errors.Is(err, ErrUnsaid) {
			continue
		}
		require.NoError(t, err)
		build(t, program)
	}
}

// Names that only differ where C has no letters stay apart.
func TestNames(t *testing.T) {
	program, err := C(scenario(t, "prog a_b\ndevice d-e d_e\nattach d-e:ingress a_b\nattach d_e:ingress a_b\n"))
	require.NoError(t, err)
	build(t, program)
	require.Contains(t, program, `if_d_e = index_of("d-e")`)
	require.Contains(t, program, `if_d_e_ = index_of("d_e")`)
}
