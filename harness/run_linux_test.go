package harness

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/harness/image"
	"github.com/nkconform/nkconform/harness/internal/wire"
)

// fakeEnv makes the test binary a machine that follows a script.
const fakeEnv = "NKCONFORM_TEST_MACHINE"

// fakeMachine does what the words of script say, as a machine would: text for
// the console, frames of the guest, and an end.
func fakeMachine(script string) {
	out := wire.NewWriter(os.NewFile(portFD, "port"))
	for _, step := range strings.Split(script, ";") {
		verb, arg, _ := strings.Cut(step, " ")
		switch verb {
		case "console":
			fmt.Println(arg)
		case "hello", "out", "err", "exit":
			kind := map[string]wire.Kind{"hello": wire.Hello, "out": wire.Stdout, "err": wire.Stderr, "exit": wire.Exit}[verb]
			if err := out.Send(kind, []byte(arg)); err != nil {
				os.Exit(9)
			}
		case "files": // a file NAME of TEXT, as the first one that is to come back
			t := tar.NewWriter(out.Stream(wire.Files))
			name, text, _ := strings.Cut(arg, " ")
			_ = t.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Typeflag: tar.TypeReg, Mode: 0o644})
			_, _ = t.Write([]byte(text))
			_ = t.Close()
		case "doing":
			if err := out.Send(wire.Alive, []byte(arg)); err != nil {
				os.Exit(9)
			}
		case "noise":
			_, _ = os.NewFile(portFD, "port").WriteString(strings.Repeat("noise", 64<<10))
		case "fail":
			os.Exit(1)
		case "kill":
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		case "spawn": // a machine of its own, with the next step
			self := exec.Command(os.Args[0])
			self.Env = append(os.Environ(), fakeEnv+"="+arg)
			if err := self.Start(); err != nil {
				os.Exit(9)
			}
		case "hold":
			if _, err := os.OpenFile(arg, os.O_WRONLY, 0); err != nil {
				os.Exit(9)
			}
			time.Sleep(time.Minute)
		case "hang":
			time.Sleep(time.Minute) // not select, which without other goroutines is a deadlock
		}
	}
	os.Exit(0)
}

// runFake runs a command in the fake machine.
func runFake(ctx context.Context, c Command, script string) (Result, error) {
	c.Image = image.Image{Ref: "fake"}
	self, err := os.Executable()
	if err != nil {
		return Result{}, err
	}
	return run(ctx, c, program{
		argv: func(string) []string { return []string{self} },
		env:  append(os.Environ(), fakeEnv+"="+script, "GORACE=atexit_sleep_ms=0"),
	}, "fake")
}

// oops is what a kernel says that breaks, as steps of a fake machine.
const oops = "console [    9.5] BUG: unable to handle page fault for address: 10;console [    9.5] RIP: 0010:f+0x1/0x2;console [    9.5] ---[ end trace 0 ]---"

func TestRun(t *testing.T) {
	for _, test := range []struct {
		name, script string
		status       int
		err          string // of the kind and with the text
	}{
		{"success", "hello 7.3;out a;err b;exit 0", 0, ""},
		{"failure", "hello 7.3;out a;err b;exit 3", 3, ""},
		{"machine fails after the exit status", "hello 7.3;out a;err b;exit 0;fail", 0, ""},
		{"no kernel", "console cannot load;fail", -1, "*harness.BootError fake does not boot: its machine ended with exit status 1: cannot load; console log: "},
		{"panic while booting", "console [    0.5] Kernel panic - not syncing: no init", -1, "*harness.BootError fake does not boot: kernel panic: no init; console log: "},
		{"silence", "hang", -1, "*harness.BootError fake does not boot: no word from the guest within 50ms; console log: "},
		{"panic", "hello 7.3;out a;err b;console [    9.5] Kernel panic - not syncing: sysrq", -1, "*harness.DiedError the guest of fake died: kernel panic: sysrq; console log: "},
		{"killed", "hello 7.3;out a;err b;kill", -1, "*harness.DiedError the guest of fake died: its machine ended with signal: killed; console log: "},
		{"end without a status", "hello 7.3;out a;err b", -1, "*harness.DiedError the guest of fake died: its machine ended by itself; console log: "},
		{"hang", "hello 7.3;out a;err b;hang", -1, "*harness.TimeoutError the guest of fake did not finish within 1s; console log: "},
		{"breaks, and goes on", "hello 7.3;out a;err b;" + oops + ";hang", -1, "*harness.DiedError the guest of fake died: its kernel broke: BUG: unable to handle page fault for address: 10, in f+0x1/0x2; console log: "},
		{"breaks in the middle of a word", "hello 7.3;out a;err b;console [    9.5] BUG: KASAN: use-after-free in f+0x1/0x2;hang", -1, "*harness.DiedError the guest of fake died: its kernel broke: BUG: KASAN: use-after-free in f+0x1/0x2"},
		{"breaks while booting", oops + ";hang", -1, "*harness.BootError fake does not boot: its kernel broke: BUG: unable to handle page fault for address: 10, in f+0x1/0x2; console log: "},
		{"breaks, and the command ends", "hello 7.3;out a;err b;" + oops + ";exit 137", 137, ""},
		{"silence after a word", "hello 7.3;out a;err b;hang", -1, "*harness.DiedError the guest of fake died: it hangs: nothing was heard from it for 400ms; console log: "},
		{"silence while alive", "hello 7.3;doing early (R);out a;err b;doing late (D) in f;hang", -1, "*harness.DiedError the guest of fake died: it hangs: nothing was heard from it for 400ms; console log: "},
		{"noise", "noise;hang", -1, "*fmt.wrapError run fake: no start of frames from the guest, only noise"},
		{"bad status", "hello 7.3;exit zero;hang", -1, "*fmt.wrapError run fake: the guest sent a bad exit status: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			// What ends a guest is to end it sooner.
			c := Command{Stdout: &stdout, Stderr: &stderr, LogDir: t.TempDir(), Timeout: time.Minute, HangTimeout: time.Minute}
			doing := ""
			switch test.name {
			case "silence":
				c.BootTimeout = 50 * time.Millisecond
			case "silence while alive":
				c.HangTimeout, c.Steady, doing = 200*time.Millisecond, true, "late (D) in f"
			case "silence after a word":
				c.HangTimeout = 200 * time.Millisecond
			case "hang":
				c.Timeout = time.Second // in which it must have started
			}
			res, err := runFake(t.Context(), c, test.script)
			assert.Equal(t, test.status, res.ExitStatus)
			assert.Equal(t, doing, res.Doing)
			assert.Less(t, res.Total, time.Minute)
			if test.err == "" {
				require.NoError(t, err)
			} else {
				require.Error(t, err)
				assert.True(t, strings.HasPrefix(fmt.Sprintf("%T %v", err, err), test.err), "%T %v", err, err)
			}
			if strings.Contains(test.script, "out a") {
				assert.Equal(t, "7.3", res.Release)
				assert.Equal(t, "a", stdout.String())
				assert.Equal(t, "b", stderr.String())
				assert.NotZero(t, res.Boot)
			}
		})
	}
}

func TestRunKeepsConsoleLogOfFailure(t *testing.T) {
	c := Command{LogDir: t.TempDir()}
	_, err := runFake(t.Context(), c, "hello 7.3;console [    1.0] BUG: bad page state;kill")
	var died *DiedError
	require.ErrorAs(t, err, &died)
	kept, errRead := os.ReadFile(died.File)
	require.NoError(t, errRead)
	assert.Equal(t, died.Console, string(kept))

	res, err := runFake(t.Context(), c, "hello 7.3;console [    1.0] BUG: bad page state;exit 0")
	require.NoError(t, err)
	require.Len(t, res.KernelTrouble, 1)
	assert.Equal(t, "BUG: bad page state", res.KernelTrouble[0].Headline)
	left, err := os.ReadDir(c.LogDir)
	require.NoError(t, err)
	assert.Len(t, left, 1, "no log of the run that went well")
}

func TestFilesComeBack(t *testing.T) {
	c := Command{LogDir: t.TempDir(), Out: []string{filepath.Join(t.TempDir(), "c.out")}}
	res, err := runFake(t.Context(), c, "hello 7.3;files 0 mode: set;exit 3")
	require.NoError(t, err)
	assert.Equal(t, 3, res.ExitStatus)
	text, err := os.ReadFile(c.Out[0])
	require.NoError(t, err)
	assert.Equal(t, "mode: set", string(text))

	_, err = runFake(t.Context(), c, "hello 7.3;files 1 x;exit 0")
	assert.ErrorContains(t, err, `the guest sent "1", which nobody asked for`)
	_, err = runFake(t.Context(), c, "hello 7.3;kill")
	var died *DiedError
	assert.ErrorAs(t, err, &died)
}

// A guest that is alive does not hang, unless its command is to be heard all the time;
// nor while whoever reads the output takes his time.
func TestHeard(t *testing.T) {
	for _, test := range []struct {
		kind   wire.Kind
		steady bool
		heard  bool
	}{
		{wire.Alive, false, true},
		{wire.Alive, true, false},
		{wire.Stdout, true, true},
		{wire.Stderr, false, true},
	} {
		var r *receiver
		reads := writerFunc(func(b []byte) (int, error) {
			assert.True(t, r.writing.Load())
			return len(b), nil
		})
		r = newReceiver(nil, Command{Steady: test.steady, Stdout: reads, Stderr: reads})
		require.NoError(t, r.pass(wire.Frame{Kind: test.kind}))
		assert.Equal(t, test.heard, len(r.heard) == 1, "%+v", test)
		assert.False(t, r.writing.Load())
	}
}

func TestHangTimeout(t *testing.T) {
	assert.Equal(t, DefaultHangTimeout, Command{}.hang("kvm"))
	assert.Equal(t, EmulatedHangTimeout, Command{}.hang("tcg"))
	assert.Equal(t, time.Second, Command{HangTimeout: time.Second}.hang("tcg"))
}

func TestRunIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("interrupted")
	c := Command{LogDir: t.TempDir(), Stdout: writerFunc(func([]byte) (int, error) {
		cancel(gone)
		return 1, nil
	})}
	_, err := runFake(ctx, c, "hello 7.3;out a;hang")
	assert.ErrorIs(t, err, gone)
	left, err := os.ReadDir(c.LogDir)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestRunStopsWhenOutputCannotBePassedOn(t *testing.T) {
	c := Command{Stdout: writerFunc(func([]byte) (int, error) { return 0, syscall.EPIPE })}
	_, err := runFake(t.Context(), c, "hello 7.3;out a;hang")
	assert.ErrorIs(t, err, syscall.EPIPE)
}

func TestRunWithoutProgram(t *testing.T) {
	_, err := run(t.Context(), Command{}, program{argv: func(string) []string { return []string{"/no/such/machine"} }}, "fake")
	assert.ErrorIs(t, err, os.ErrNotExist)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
