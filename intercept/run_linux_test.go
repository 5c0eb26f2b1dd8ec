//go:build amd64 || arm64

package intercept

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/sim"
	"github.com/nkconform/nkconform/internal/doctor"
)

// The test program plays three parts: the tests, what they run, which is the
// command, and what that runs in turn, the target.
const (
	commandVariable = "INTERCEPT_TEST_COMMAND" // the options: "host", "fault", "6.12"
	targetVariable  = "INTERCEPT_TEST_TARGET"  // the target's name
)

func TestMain(m *testing.M) {
	if target := os.Getenv(targetVariable); target != "" && os.Getenv(commandVariable) == "" {
		os.Exit(targets[target]())
	}
	options, isCommand := os.LookupEnv(commandVariable)
	if !isCommand {
		os.Exit(m.Run())
	}
	o := Options{Devices: [][2]string{{"nk0", "nk1"}}, Host: strings.Contains(options, "host")}
	if strings.Contains(options, "fault") {
		o.Faults = []sim.Fault{{Command: "BPF_LINK_CREATE", Nth: 1, Errno: 12}}
	}
	for _, release := range []string{"6.12", "6.18"} { // else the newest
		if strings.Contains(options, release) {
			o.Kernel = fake.New(fake.Linux(release))
		}
	}
	if strings.Contains(options, "bare") {
		o.Devices = nil
	}
	save := func() error { return nil }
	if file := os.Getenv(recordVariable); file != "" {
		o.Record, save = recordTo(file)
	}
	if strings.Contains(options, "explain") {
		o.Explain = os.Stderr
	}
	if strings.Contains(options, "main") {
		Main(runner(targets[os.Getenv(targetVariable)]), o)
	}
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, commandVariable) {
			env = append(env, v)
		}
	}
	time.AfterFunc(0, func() {}) // opens fds of Go's runtime for good, before anybody counts
	status, err := Run(o, env, os.Args[1], os.Args[2:]...)
	if err = errors.Join(err, save()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 2
	}
	os.Exit(status)
}

// runner stands for the tests of a package.
type runner func() int

func (r runner) Run() int { return r() }

// command prepares a program to be run on the simulated kernel.
func command(t testing.TB, options string, program ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(self, program...)
	// The race detector waits a second for every process that ends.
	c.Env = append(os.Environ(), commandVariable+"="+options+" ", "GORACE=atexit_sleep_ms=0")
	return c
}

// target prepares a function of this program likewise.
func target(t testing.TB, options, name string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	c := command(t, options, self)
	c.Env = append(c.Env, targetVariable+"="+name)
	return c
}

// output runs a command that must succeed, and returns what it wrote, without what
// the machine lacks. Where nothing can be intercepted, the test is skipped.
func output(t testing.TB, c *exec.Cmd) string {
	t.Helper()
	return lacking.ReplaceAllString(wholeOutput(t, c), "")
}

// lacking is a line that says what the machine lacks.
var lacking = regexp.MustCompile(`(?m)^nkconform: (.*` + regexp.QuoteMeta(seeDoctor) +
	`|the program has no /sys/fs/bpf: .*|of device \d+, programs see only what is sent through packet sockets: .*)\n`)

func wholeOutput(t testing.TB, c *exec.Cmd) string {
	t.Helper()
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	skipUnavailable(t, out.String())
	require.NoError(t, err, out.String())
	return out.String()
}

func skipUnavailable(t testing.TB, text string) {
	t.Helper()
	if strings.Contains(text, ErrUnavailable.Error()) {
		t.Skip(text)
	}
}

// needNamespaces skips a test where a program cannot have namespaces of its own.
func needNamespaces(t testing.TB) {
	t.Helper()
	if doctor.Can("root") != nil {
		doctor.Need(t, "userns")
	}
}

func TestTargets(t *testing.T) {
	for _, name := range []string{"hooks", "lifetime", "foreign", "pins", "netlink", "namespaces", "hostile", "mapped", "packets",
		"killed", "forks", "closed", "addresses", "options", "groups"} {
		t.Run(name, func(t *testing.T) {
			if name == "packets" || name == "groups" {
				needNamespaces(t)
				doctor.Need(t, "tun")
			}
			t.Log(output(t, target(t, "", name)))
		})
	}
	t.Run("host namespaces", func(t *testing.T) { output(t, target(t, "host", "hooks")) })
}

// Who may not make namespaces does without them, and is told. No user of a
// namespace without a map of users may.
func TestWithoutNamespaces(t *testing.T) {
	doctor.Need(t, "userns")
	c := target(t, "", "hooks")
	c.Path = "/proc/self/exe"
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}
	require.Equal(t, 1, strings.Count(wholeOutput(t, c), "user namespaces are refused; nkconform doctor exec says"))
	require.NotContains(t, wholeOutput(t, target(t, "", "hooks")), "refused")
}

// Rounds of attach, query and close from several threads, while Go's scheduler
// sends signals, are answered rightly every time.
func TestRounds(t *testing.T) {
	t.Log(output(t, target(t, "", "rounds")))
}

func TestExplain(t *testing.T) {
	out := output(t, target(t, "explain", "hooks"))
	require.Contains(t, out, "BPF_PROG_ATTACH")
	require.Contains(t, out, "ESTALE (expected revision 9, hook is at 3) by rule revision/stale")
}

// A package's tests run on the simulated kernel, and their status is the process's.
func TestMainOfOthers(t *testing.T) {
	output(t, target(t, "main", "hooks"))
	out, err := target(t, "main fault", "hooks").CombinedOutput()
	skipUnavailable(t, string(out))
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 1, exit.ExitCode())
}

func TestFault(t *testing.T) {
	out, err := target(t, "fault explain", "hooks").CombinedOutput()
	skipUnavailable(t, string(out))
	require.Error(t, err)
	require.Contains(t, string(out), "ENOMEM (call 1 of BPF_LINK_CREATE fails as asked for)")
}

// What is not intercepted passes through: status, input, output, environment.
func TestPassesThrough(t *testing.T) {
	doctor.NeedProgram(t, "/bin/sh", "cat")
	c := command(t, "", "/bin/sh", "-c", "cat; echo $X; exit 7")
	c.Stdin, c.Env = strings.NewReader("in\n"), append(c.Env, "X=y")
	out, err := c.Output()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	skipUnavailable(t, string(exit.Stderr))
	require.Equal(t, 7, exit.ExitCode())
	require.Equal(t, "in\ny\n", string(out))

	err = command(t, "", "/bin/sh", "-c", "kill -KILL $$").Run()
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 128+9, exit.ExitCode())

	err = command(t, "", "no-such-program").Run()
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 2, exit.ExitCode())
}

// A signal to the command is the program's.
func TestSignals(t *testing.T) {
	doctor.NeedProgram(t, "/bin/sh")
	c := command(t, "", "/bin/sh", "-c", `trap 'echo got it; exit 3' TERM; echo ready; while :; do read x; done`)
	in, err := c.StdinPipe()
	require.NoError(t, err)
	defer in.Close()
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	defer c.Process.Kill()
	line := make([]byte, 6)
	if _, err := out.Read(line); err != nil {
		t.Skip("nothing can be intercepted")
	}
	require.NoError(t, c.Process.Signal(syscall.SIGTERM))
	_, _ = in.Write([]byte("\n")) // a shell handles a trap when its read returns
	rest := make([]byte, 64)
	n, _ := out.Read(rest)
	require.Equal(t, "got it\n", string(rest[:n]))
	var exit *exec.ExitError
	require.ErrorAs(t, c.Wait(), &exit)
	require.Equal(t, 3, exit.ExitCode())
}

// With the command killed, what it ran gets ENOSYS or is killed, and does not
// hang.
func TestKilledCommand(t *testing.T) {
	c := target(t, "", "busy")
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		_ = c.Wait()
		t.Skip("nothing can be intercepted")
	}
	require.NoError(t, c.Process.Kill())
	_ = c.Wait()
	require.Eventually(t, func() bool {
		status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		return err != nil || bytes.Contains(status, []byte("State:\tZ"))
	}, 10*time.Second, 10*time.Millisecond)
}

// bpf(2) by the number of 32-bit programs does not get through either.
func TestI386(t *testing.T) {
	doctor.Need(t, "int80", "gcc")
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	source, program := filepath.Join(dir, "i386.c"), filepath.Join(dir, "i386")
	require.NoError(t, os.WriteFile(source, []byte(`
#include <stdio.h>
int main(void)
{
	long r = 357, cmd = 5, attr = 0, size = 0;
	__asm__ volatile("int $0x80" : "+a"(r) : "b"(cmd), "c"(attr), "d"(size) : "memory", "r8", "r9", "r10", "r11");
	printf("%d\n", (int)r);
	return 0;
}
`), 0o600))
	text, err := exec.Command("gcc", "-o", program, source).CombinedOutput()
	require.NoError(t, err, string(text))
	require.Equal(t, fmt.Sprintf("%d\n", -int(unix.ENOSYS)), output(t, command(t, "", program)))
}

// What a target loads is not among the running kernel's programs, where what is
// loaded without interception is.
func TestRunningKernelUntouched(t *testing.T) {
	native, err := loadProgram()
	if err != nil {
		t.Skip("the running kernel does not load programs: ", err)
	}
	named, err := runningPrograms(targetName)
	require.NoError(t, err)
	require.NotZero(t, named)
	require.NoError(t, unix.Close(native))
	c := target(t, "", "held")
	in, err := c.StdinPipe()
	require.NoError(t, err)
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = c.Wait()
		t.Skip("nothing can be intercepted")
	}
	require.Equal(t, "attached\n", line)
	named, err = runningPrograms(targetName)
	require.NoError(t, err)
	require.Zero(t, named)
	require.NoError(t, in.Close())
	require.NoError(t, c.Wait())
}

// runningPrograms counts the running kernel's programs with a name.
func runningPrograms(name string) (n int, err error) {
	for id := ebpf.ProgramID(0); ; {
		id, err = ebpf.ProgramGetNextID(id)
		if errors.Is(err, os.ErrNotExist) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		p, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue // gone
		}
		info, err := p.Info()
		p.Close()
		if err == nil && info.Name == name {
			n++
		}
	}
}

// What a program returns is what it makes of the packet, and said with its reason.
func TestExplainPackets(t *testing.T) {
	doctor.Need(t, "tun")
	out := output(t, target(t, "explain", "packets"))
	require.Contains(t, out, "packet on nk0, primary: odd (id ")
	require.Contains(t, out, " returns 2; it does not go on")
	require.Contains(t, out, "nkconform: program (id ")
	require.Contains(t, out, ": instruction 0: helper bpf_per_cpu_ptr: not simulated: its packets are dropped")
}

// The median of a query's time, intercepted and, as root, by the running kernel.
func BenchmarkQuery(b *testing.B) {
	median := func(c *exec.Cmd) float64 {
		ns, err := strconv.ParseFloat(strings.TrimSpace(output(b, c)), 64)
		require.NoError(b, err)
		return ns
	}
	self, err := os.Executable()
	require.NoError(b, err)
	native := exec.Command(self)
	native.Env = append(os.Environ(), targetVariable+"=median")
	for b.Loop() {
	}
	b.ReportMetric(median(target(b, "", "median")), "ns/query")
	if os.Geteuid() == 0 {
		b.ReportMetric(median(native), "native-ns/query")
	}
	b.ReportMetric(0, "ns/op")
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		output(b, command(b, "", "/bin/true"))
	}
}
