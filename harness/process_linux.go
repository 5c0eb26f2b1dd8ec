package harness

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/nkconform/nkconform/harness/console"
	"github.com/nkconform/nkconform/harness/internal/warden"
)

// maxConsole bounds the console log in bytes; what comes after is dropped.
const maxConsole = 8 << 20

// drainGrace is how long a pipe is read on after its machine has ended, in
// case a process that escaped still holds it open.
const drainGrace = time.Second

// A program starts a machine: it shows the guest's console on its standard
// output and passes the guest's frames to descriptor portFD.
type program struct {
	// argv is made from the path at which the port can be opened, too, by a
	// program that does not inherit it.
	argv  func(port string) []string
	env   []string   // the environment, or nil for the harness's own
	dir   string     // the working directory, or empty for the harness's own
	files []*os.File // inherited as descriptors firstFile and up
	pin   bool       // to one processor
	// own is a directory that goes with the machine, of one that starts
	// programs of its own.
	own string
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
	portEnd *os.File     // the port's other end; see settle
	log     bytes.Buffer // the console, complete when logged is closed
	watch   *console.Watch
	logged  chan struct{} // closed when the console has ended
	pid     int
	exited  chan struct{}  // closed when the program has ended, then:
	err     error          // how it ended
	warden  *warden.Warden // of a machine that starts programs
}

func launch(prog program) (*process, error) {
	p := &process{watch: console.NewWatch(), logged: make(chan struct{}), exited: make(chan struct{})}
	var consoleEnd *os.File
	var err error
	if p.port, p.portEnd, err = os.Pipe(); err != nil {
		return nil, fmt.Errorf("start machine: %w", err)
	}
	if p.console, consoleEnd, err = os.Pipe(); err != nil {
		p.port.Close()
		p.portEnd.Close()
		return nil, fmt.Errorf("start machine: %w", err)
	}
	defer consoleEnd.Close()

	argv := prog.argv(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), p.portEnd.Fd()))
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = prog.env, prog.dir
	cmd.Stdout, cmd.Stderr = consoleEnd, consoleEnd
	cmd.ExtraFiles = append([]*os.File{p.portEnd}, prog.files...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The death signal comes when the starting thread ends, so keep it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := startPinned(cmd, prog.pin)
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		p.port.Close()
		p.portEnd.Close()
		p.console.Close()
		return nil, fmt.Errorf("start machine: %w", err)
	}
	p.pid = cmd.Process.Pid
	if prog.own != "" {
		// One that has ended already needs none.
		p.warden, _ = warden.Start(p.pid, `rm -rf -- "$1"; kill -KILL 0`, prog.own)
	}
	go func() {
		defer close(p.logged)
		shown := io.TeeReader(p.console, p.watch)
		_, _ = io.Copy(&p.log, io.LimitReader(shown, maxConsole))
		_, _ = io.Copy(io.Discard, shown)
	}()
	return p, nil
}

// settle closes this process's hold on the far end of the port once the
// machine has opened it or is gone, so that the port ends with the machine.
func (p *process) settle() { p.portEnd.Close() }

// end kills whatever is left of the process group and returns the console
// log, which ends when the last process of the group has.
func (p *process) end() string {
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	<-p.exited
	// Once more for what it was just starting.
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	if p.warden != nil {
		p.warden.Dismiss()
	}
	now := time.Now()
	p.settle()
	_ = p.port.SetReadDeadline(now.Add(drainGrace))
	_ = p.console.SetReadDeadline(now.Add(drainGrace))
	<-p.logged
	p.console.Close()
	return p.log.String()
}

func startPinned(cmd *exec.Cmd, toOne bool) error {
	if toOne {
		unpin, err := pin()
		if err != nil {
			return err
		}
		defer unpin()
	}
	return cmd.Start()
}
