package testee

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform"
	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/internal/doctor"
	"github.com/nkconform/nkconform/kernel"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

const asTestee = "NKCONFORM_TESTEE"

// The test's own program is the testee: a library that makes the system call and
// nothing else, with what is wrong with it named in the environment.
func TestMain(m *testing.M) {
	if wrong, ok := os.LookupEnv(asTestee); ok {
		library{wrong}.serve()
		return
	}
	os.Exit(m.Run())
}

type library struct{ wrong string }

func (l library) serve() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		numbers := map[string]uint64{}
		for _, w := range words[1:] {
			key, value, _ := strings.Cut(w, "=")
			numbers[key], _ = strconv.ParseUint(value, 10, 64)
		}
		if words[0] != "hello" && l.wrong == "garbage" {
			fmt.Println("what?")
			continue
		}
		if words[0] != "hello" && l.wrong == "gone" {
			return
		}
		fmt.Println(l.answer(words[0], numbers))
	}
}

func (l library) answer(verb string, n map[string]uint64) string {
	switch verb {
	case "hello":
		return "ok name=plain version=1"
	case "prog-attach":
		return l.attach(n)
	}
	return "unsupported nothing but attaching"
}

func (l library) attach(n map[string]uint64) string {
	if n["relative_prog_id"] != 0 || n["relative_link_id"] != 0 {
		return "unsupported relative objects by fd"
	}
	fd := openProg(n["prog_id"])
	defer unix.Close(int(fd))
	r := mprog.AttachRequest{
		TargetIfindex: uint32(n["target_ifindex"]), AttachType: mprog.AttachType(n["attach_type"]), AttachFD: fd,
		Flags: mprog.Flags(n["flags"]), Relative: uint32(n["relative_id"]), ExpectedRevision: n["expected_revision"],
	}
	if l.wrong == "appends" {
		r.Flags, r.Relative = 0, 0
	}
	if n["replace_prog_id"] != 0 {
		r.ReplaceFD = openProg(n["replace_prog_id"])
		defer unix.Close(int(r.ReplaceFD))
	}
	var b attr.Buffer
	if _, errno := bpf(attr.ProgAttach, &b, attr.EncodeAttach(&b, r)); errno != 0 {
		return fmt.Sprintf("errno %d", errno)
	}
	return "ok"
}

func openProg(id uint64) uint32 {
	var b attr.Buffer
	fd, _ := bpf(attr.ProgGetFDByID, &b, attr.EncodeFDByID(&b, mprog.IDRequest{ID: uint32(id)}))
	return uint32(fd)
}

func bpf(cmd attr.Command, b *attr.Buffer, size uint32) (uintptr, unix.Errno) {
	r, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(cmd), uintptr(unsafe.Pointer(b)), uintptr(size))
	return r, errno
}

// start starts the testee, or skips the test where there is no kernel for it.
func start(t *testing.T, wrong string) *Testee {
	self, err := os.Executable()
	require.NoError(t, err)
	t.Setenv(asTestee, wrong)
	t.Setenv("GORACE", "atexit_sleep_ms=0") // else each testee takes a second to end
	testee, err := New(self)
	if errors.Is(err, kernel.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, testee.Close()) })
	require.Equal(t, "plain 1", testee.Name())
	return testee
}

func scenario(t *testing.T, id string) conformance.Scenario {
	list, err := conformance.Load(nkconform.Scenarios())
	require.NoError(t, err)
	list, err = conformance.Select(list, id)
	require.NoError(t, err)
	return list[0]
}

func play(t *testing.T, testee *Testee, id string) (conformance.Result, error) {
	env, err := testee.Open()
	require.NoError(t, err)
	return conformance.Run(env, scenario(t, id)), env.Shutdown()
}

func TestSuite(t *testing.T) {
	for _, c := range []struct {
		wrong, scenario string
		status          conformance.Status
		says            string
	}{
		{"", "attach/replace/keeps-place-tcx", conformance.Passed, ""},
		{"", "revision/stale/attach-after-emptied-tcx", conformance.Skipped, "nothing but attaching"},
		{"appends", "attach/replace/keeps-place-tcx", conformance.Failed, "came     = revision"},
	} {
		t.Run(c.wrong+" "+c.scenario, func(t *testing.T) {
			testee := start(t, c.wrong)
			for range 2 { // the second time in a renewed environment
				r, err := play(t, testee, c.scenario)
				require.NoError(t, err)
				require.Equal(t, c.status, r.Status, "%s %s", r.Reason, r.Failure)
				if r.Failure != nil {
					r.Reason = r.Failure.String()
				}
				require.Contains(t, r.Reason, c.says)
			}
		})
	}
}

// A testee that breaks the protocol fails the scenario, and the next one gets a
// testee of its own.
func TestBroken(t *testing.T) {
	for wrong, says := range map[string]string{
		"garbage": `reply "what?": expected ok, errno or unsupported`,
		"gone":    "it has closed its output",
	} {
		t.Run(wrong, func(t *testing.T) {
			testee := start(t, wrong)
			for range 2 {
				r, err := play(t, testee, "attach/replace/keeps-place-tcx")
				require.Equal(t, conformance.Failed, r.Status)
				require.Contains(t, r.Failure.String(), says)
				require.ErrorContains(t, err, says)
			}
		})
	}
}

func TestNoTestee(t *testing.T) {
	start(t, "") // or skips
	doctor.NeedProgram(t, "true", "echo")
	for _, command := range [][]string{{"/nonexistent"}, {"true"}, {"echo", "hello"}} {
		_, err := New(command...)
		require.ErrorContains(t, err, "start testee: ")
	}
}
