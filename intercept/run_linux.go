//go:build amd64 || arm64

package intercept

import (
	"fmt"
	"io"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
)

// ErrUnavailable is wrapped by every error that says why calls cannot be
// intercepted on this machine.
var ErrUnavailable = notify.ErrUnavailable

// Run runs a program, with arguments, and waits for it. Standard input, output
// and error are this process's; signals that this process gets are passed on.
// The status is the program's exit status, or 128 and the number of the signal
// that killed it.
//
// Processes that the program leaves behind get ENOSYS from bpf(2).
func Run(o Options, env []string, name string, args ...string) (status int, err error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return 0, fmt.Errorf("find the program: %w", err)
	}
	if !o.Host {
		status, entered, err := enterUserNamespace()
		if entered || err != nil {
			return status, err
		}
	}
	filter, err := notify.Assemble(notify.Native, rules())
	if err != nil {
		return 0, err
	}
	s, err := newSupervisor(o)
	if err != nil {
		return 0, err
	}
	defer s.close()
	prepare := s.isolate
	if o.Host {
		prepare = s.settle
	}
	var files []uintptr
	var ours, passed *os.File
	if o.held {
		theirs, err := s.handPair(&ours)
		if err != nil {
			return 0, err
		}
		passed = theirs
		files = []uintptr{theirs.Fd()}
		defer ours.Close()
	}
	// Orphans become this process's children, so that their memory can be read
	// where only ancestors may.
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	forward := forwardSignals()
	defer forward.stop()
	p, err := notify.Start(notify.Command{
		Path: path, Args: append([]string{name}, args...), Env: programEnvironment(env),
		Files: files, Filter: filter, Prepare: prepare, Serve: s.serve,
	})
	_ = passed.Close() // nil, or the program has a copy
	if err != nil {
		return 0, err
	}
	if o.held {
		if err := s.takeHand(uint32(p.Pid), ours); err != nil {
			return 0, err
		}
	}
	forward.to(p.Pid)
	status, err = wait(p.Pid)
	p.Stop()
	if serveErr := <-s.done; err == nil {
		err = serveErr
	}
	unfired, untrue := s.unfired(), s.summarize()
	if (unfired || untrue) && o.Strict && status == 0 {
		status = 1
	}
	if o.Record != nil && err == nil {
		s.mu.Lock()
		s.files.drain() // what was closed as the last program ended
		s.mu.Unlock()
		if _, writeErr := io.WriteString(o.Record, s.sim.Trace().String()); writeErr != nil {
			err = fmt.Errorf("record: %w", writeErr)
		}
	}
	return status, err
}
