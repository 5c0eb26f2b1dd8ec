package action

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// script is what a step of the action runs. The file is this project's own, so
// that its lines tell: a step is "    - name: ", its script all that is indented
// below "      run: |".
func script(t *testing.T, step string) string {
	t.Helper()
	text, err := os.ReadFile("../../.github/actions/nkconform/action.yml")
	require.NoError(t, err)
	_, after, ok := strings.Cut(string(text), "    - name: "+step+"\n")
	require.True(t, ok, step)
	after, _, _ = strings.Cut(after, "\n    - ")
	_, body, ok := strings.Cut(after, "      run: |\n")
	require.True(t, ok, step)
	return body
}

// stub logs how it was called. What is told to fail does.
const stub = `#!/bin/sh
printf '%s' "${0##*/}" >>"$LOG"
printf ' [%s]' "$@" >>"$LOG"
echo >>"$LOG"
case " $* " in *" $FAILS "*) exit 1 ;; esac
`

// play runs a step as GitHub does, with stubs for nkconform and go, and returns how
// these were called, the output and the exit status.
func play(t *testing.T, step string, env ...string) (calls, out string, status int) {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash: ", err)
	}
	dir := t.TempDir()
	for _, name := range []string{"nkconform", "go"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(stub), 0o755))
	}
	file := filepath.Join(dir, "step.sh")
	require.NoError(t, os.WriteFile(file, []byte(script(t, step)), 0o644))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "nkconform-report"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "nkconform-report/summary.md"), []byte("a summary\n"), 0o644))
	c := exec.Command(bash, "--noprofile", "--norc", "-e", "-o", "pipefail", file)
	c.Dir = dir
	c.Env = append(append(os.Environ(), "RUNNER_TEMP="+dir, "PATH="+dir+":"+os.Getenv("PATH"), "LOG="+dir+"/log", "FAILS=nothing",
		"GITHUB_OUTPUT="+dir+"/output", "GITHUB_STEP_SUMMARY="+dir+"/shown",
		"KERNELS=", "RUN=", "EXEC=false", "DOCTOR=false", "FLAGS=", "OUT=", "VM=auto"), env...)
	text, err := c.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	log, _ := os.ReadFile(dir + "/log")
	return strings.ReplaceAll(string(log), dir, "T"), string(text), c.ProcessState.ExitCode()
}

func TestSteps(t *testing.T) {
	const asked, simulated, suite, kernels = "what is asked for", "run on the simulated kernel", "the conformance suite", "run in each kernel"
	for _, tc := range []struct {
		name, step string
		env        []string
		calls, out string
		status     int
	}{
		{"nothing", asked, nil, "", "::error::the input kernels names none\n", 1},
		{"no kernel", asked, []string{"KERNELS= \n", "RUN=go test"}, "", "::error::the input kernels names none\n", 1},
		{"no command", asked, []string{"EXEC=true", "RUN=\n"}, "", "::error::the input exec needs the input run, a command\n", 1},
		{"a kernel", asked, []string{"KERNELS=debian:7.3"}, "", "", 0},
		{"exec", asked, []string{"EXEC=true", "RUN=go test"}, "", "", 0},
		{"doctor", asked, []string{"DOCTOR=true"}, "", "", 0},
		{"doctor", "what the runner can do", nil, "nkconform [doctor]\n", "", 0},

		{"tests", simulated, []string{"RUN=go test -v\n./...", "FLAGS=--device nk0,nk1\n"},
			"go [test] [-exec] [T/nkconform exec --device nk0,nk1 --] [-v] [./...]\n", "", 0},
		{"program", simulated, []string{"RUN=./agent a{kernel}"}, "nkconform [exec] [--] [./agent] [asimulated]\n", "", 0},
		{"failing", simulated, []string{"RUN=go test ./bad", "FAILS=./bad"}, "go [test] [-exec] [T/nkconform exec --] [./bad]\n", "", 1},

		{"suite", suite, []string{"KERNELS=debian:6.12\n./vmlinuz\n"},
			"nkconform [matrix] [--vm] [auto] [--report] [T/nkconform-report] [debian:6.12] [./vmlinuz]\n", "", 0},
		{"failing suite", suite, []string{"KERNELS=bad", "FAILS=bad"}, "nkconform [matrix] [--vm] [auto] [--report] [T/nkconform-report] [bad]\n", "", 1},

		{"tests", kernels, []string{"KERNELS=debian:6.12 ./k", "RUN=go test -coverprofile=c-{kernel} .", "OUT=out/{kernel}"},
			"go [test] [-exec] [T/nkconform vm --vm auto --out=out/debian-6.12 debian:6.12 --] [-coverprofile=c-debian-6.12] [.]\n" +
				"go [test] [-exec] [T/nkconform vm --vm auto --out=out/.-k ./k --] [-coverprofile=c-.-k] [.]\n",
			"::group::debian:6.12\n::endgroup::\n::group::./k\n::endgroup::\n", 0},
		{"one of two fails", kernels, []string{"KERNELS=bad good", "RUN=true", "FAILS=bad"},
			"nkconform [vm] [--vm] [auto] [bad] [--] [true]\nnkconform [vm] [--vm] [auto] [good] [--] [true]\n",
			"::group::bad\n::endgroup::\n::group::good\n::endgroup::\n", 1},
	} {
		t.Run(tc.step+"/"+tc.name, func(t *testing.T) {
			calls, out, status := play(t, tc.step, tc.env...)
			require.Equal(t, tc.calls, calls)
			require.Equal(t, tc.out, out)
			require.Equal(t, tc.status, status)
		})
	}
}
