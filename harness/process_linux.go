package harness

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// maxConsole bounds the console log in bytes; what comes after is dropped.
const maxConsole = 8 << 20

// drainGrace is how long a pipe is read on after its machine has ended, in
// case a process that escaped still holds it open.
const drainGrace = time.Second

// A program starts a machine: it shows the guest's console on its standard
// output and passes the guest's frames to descriptor portFD.
type program struct {
	argv  []string
	env   []string   // added to the harness's own
	files []*os.File // inherited as descriptors firstFile and up
}

// The descriptors a program inherits besides its standard ones.
const (
	portFD    = 3
	firstFile = 4
)

// process is a program that runs, in a process group of its own that the
// kernel kills if this process dies.
type process struct {
	port    *os.File // the guest's frames
	console *os.File
	log     bytes.Buffer  // the console, complete when logged is closed
	logged  chan struct{} // closed when the console has ended
	pid     int
	exited  chan struct{} // closed when the program has ended, then:
	err     error         // how it ended
}

func launch(prog program) (*process, error) {
	p := &process{logged: make(chan struct{}), exited: make(chan struct{})}
	var far [2]*os.File
	var err error
	if p.port, far[0], err = os.Pipe(); err != nil {
		return nil, fmt.Errorf("start machine: %w", err)
	}
	defer far[0].Close()
	if p.console, far[1], err = os.Pipe(); err != nil {
		p.port.Close()
		return nil, fmt.Errorf("start machine: %w", err)
	}
	defer far[1].Close()

	cmd := exec.Command(prog.argv[0], prog.argv[1:]...)
	cmd.Env = append(os.Environ(), prog.env...)
	cmd.Stdout, cmd.Stderr = far[1], far[1]
	cmd.ExtraFiles = append([]*os.File{far[0]}, prog.files...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The death signal comes when the starting thread ends, so keep it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		p.port.Close()
		p.console.Close()
		return nil, fmt.Errorf("start machine: %w", err)
	}
	p.pid = cmd.Process.Pid
	go func() {
		defer close(p.logged)
		_, _ = io.Copy(&p.log, io.LimitReader(p.console, maxConsole))
		_, _ = io.Copy(io.Discard, p.console)
	}()
	return p, nil
}

// end kills whatever is left of the process group, waits for it and returns
// the console log.
func (p *process) end() string {
	// The group outlives its first process if others are in it.
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	<-p.exited
	for syscall.Kill(-p.pid, syscall.SIGKILL) == nil {
		if _, err := syscall.Wait4(-p.pid, nil, 0, nil); !errors.Is(err, syscall.EINTR) {
			break // the others are not our children; they are dying
		}
	}
	now := time.Now()
	_ = p.port.SetReadDeadline(now.Add(drainGrace))
	_ = p.console.SetReadDeadline(now.Add(drainGrace))
	<-p.logged
	p.console.Close()
	return p.log.String()
}
