//go:build amd64 || arm64

package notify

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// callsVariable is in the environment of this program where it is the one whose
// calls are answered: how many it makes.
const callsVariable = "NOTIFY_TEST_CALLS"

func TestMain(m *testing.M) {
	if n, err := strconv.Atoi(os.Getenv(callsVariable)); err == nil {
		os.Exit(makeCalls(n))
	}
	os.Exit(m.Run())
}

// makeCalls prints the median time of a call, in nanoseconds.
func makeCalls(n int) (status int) {
	attr := make([]byte, 64)
	times := make([]time.Duration, n)
	for i := range times {
		began := time.Now()
		v, _, errno := unix.RawSyscall(unix.SYS_BPF, 16, uintptr(unsafe.Pointer(&attr[0])), uintptr(len(attr)))
		times[i] = time.Since(began)
		if errno != 0 || v != 42 || attr[12] != 0 && attr[12] != 7 {
			fmt.Println(v, errno, attr[12])
			return 1
		}
	}
	slices.Sort(times)
	fmt.Println(times[n/2].Nanoseconds())
	return 0
}

// answering runs this program with its calls answered, and returns what it
// printed.
func answering(t testing.TB, calls int, answer func(*Listener, *Call)) string {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	stdout, err := unix.Dup(1)
	require.NoError(t, err)
	require.NoError(t, unix.Dup3(int(w.Fd()), 1, 0)) // what is started gets 0, 1 and 2
	filter, err := Assemble(Native, []Rule{{Number: Native.BPF}})
	require.NoError(t, err)
	done := make(chan struct{})
	p, err := Start(Command{
		Path: "/proc/self/exe", Args: []string{"calls"}, Filter: filter,
		Env: append(os.Environ(), callsVariable+"="+strconv.Itoa(calls)),
		Serve: func(l *Listener) {
			go func() {
				defer close(done)
				c := new(Call)
				for {
					if err := l.Receive(c); err != nil {
						continue
					}
					own, last := l.Own(c)
					switch {
					case last:
						return
					case !own:
						answer(l, c)
					}
				}
			}()
		},
	})
	require.NoError(t, errors.Join(unix.Dup3(stdout, 1, 0), unix.Close(stdout), w.Close()))
	if errors.Is(err, ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	out := make([]byte, 100)
	n, _ := r.Read(out)
	var ws unix.WaitStatus
	_, err = unix.Wait4(p.Pid, &ws, 0, nil)
	require.NoError(t, err)
	p.Stop()
	<-done
	require.Zero(t, ws.ExitStatus(), string(out[:n]))
	return string(out[:max(n-1, 0)])
}

func copying(l *Listener, c *Call) {
	var attr [64]byte
	m := Memory{TID: c.TID}
	if m.Read(c.Args[1], attr[:]) == nil && m.Write(Segment{c.Args[1] + 12, []byte{7}}) == nil {
		_ = l.Answer(c, 42, 0)
		return
	}
	_ = l.Answer(c, 0, unix.EFAULT)
}

func TestAnswers(t *testing.T) { answering(t, 100, copying) }

// BenchmarkCall tells what a call costs at the least: answered at once, and with
// the caller's memory read and written. No answer is faster on this machine.
func BenchmarkCall(b *testing.B) {
	for name, answer := range map[string]func(*Listener, *Call){
		"bare": func(l *Listener, c *Call) { _ = l.Answer(c, 42, 0) }, "read and write": copying,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
			}
			ns, err := strconv.ParseFloat(answering(b, 20_000, answer), 64)
			require.NoError(b, err)
			b.ReportMetric(ns, "ns/call")
			b.ReportMetric(0, "ns/op")
		})
	}
}
