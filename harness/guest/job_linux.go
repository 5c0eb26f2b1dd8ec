package guest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/harness/internal/wire"
)

// Exit statuses of a job that has none of its own, as shells have them.
const (
	statusCannotReturn = 1 // of a job that went well, but for its files
	statusCannotRun    = 126
	statusNotFound     = 127
	statusSignal       = 128 // plus the signal
)

// outputGrace is how long output is still read after the command has ended,
// in case a process it left behind holds the pipe open.
const outputGrace = 500 * time.Millisecond

// start runs the job to its end, reaping every other process that ends
// meanwhile, and returns its exit status.
func start(job wire.Job, stdout, stderr io.Writer) int {
	status, err := spawn(job, stdout, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "nkconform guest: %v\n", err)
	}
	return status
}

// running is the command's process, while it runs.
var running atomic.Int32

func spawn(job wire.Job, stdout, stderr io.Writer) (int, error) {
	if len(job.Argv) == 0 {
		return statusCannotRun, errors.New("no command to run")
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return statusCannotRun, err
	}
	defer null.Close()
	files := []*os.File{null}
	var copies sync.WaitGroup
	var ends []*os.File // the reading ends
	for _, w := range []io.Writer{stdout, stderr} {
		r, p, err := os.Pipe()
		if err != nil {
			return statusCannotRun, err
		}
		files = append(files, p)
		ends = append(ends, r)
		copies.Go(func() {
			defer r.Close()
			if _, err := io.Copy(w, r); errors.Is(err, os.ErrDeadlineExceeded) {
				drain(w, r)
			}
		})
	}
	env := append([]string{"TMPDIR=" + tempDir()}, job.Env...)
	status := statusCannotRun
	p, err := os.StartProcess(job.Argv[0], job.Argv, &os.ProcAttr{Dir: job.Dir, Env: env, Files: files})
	if errors.Is(err, os.ErrNotExist) {
		status = statusNotFound
	} else if err == nil {
		running.Store(int32(p.Pid))
		status = reap(p.Pid)
		running.Store(0)
	}
	for _, f := range files[1:] {
		f.Close()
	}
	for _, r := range ends {
		_ = r.SetReadDeadline(time.Now().Add(outputGrace))
	}
	copies.Wait()
	return status, err
}

// drain copies what is in a pipe at this moment, at most what fits into one,
// without waiting for more.
func drain(w io.Writer, r *os.File) {
	conn, err := r.SyscallConn()
	if err != nil {
		return
	}
	b := make([]byte, 64<<10)
	n := 0
	err = conn.Control(func(fd uintptr) { n, _ = unix.Read(int(fd), b) })
	if err == nil && n > 0 {
		_, _ = w.Write(b[:n])
	}
}

// reap waits for every child until pid ends, and returns the status of pid.
func reap(pid int) int {
	for {
		var ws unix.WaitStatus
		got, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return statusCannotRun
		case got != pid:
		case ws.Signaled():
			return statusSignal + int(ws.Signal())
		case ws.Exited():
			return ws.ExitStatus()
		}
	}
}
