package testee

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// patience is how long a testee may take to reply, and to end with its input.
const patience = 30 * time.Second

// process is a running testee.
type process struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	replies chan string // closed when the testee has closed its output
	broken  error       // why it cannot be asked any more
}

// startProcess starts a testee on a thread that enter has prepared, and asks for
// its name.
func startProcess(command []string, enter func() error) (*process, reply, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, reply{}, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, reply{}, err
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with its namespace
		err := enter()
		if err == nil {
			err = cmd.Start()
		}
		started <- err
	}()
	if err := <-started; err != nil {
		return nil, reply{}, fmt.Errorf("start testee: %w", err)
	}
	p := &process{cmd: cmd, in: in, replies: make(chan string)}
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			p.replies <- lines.Text()
		}
		close(p.replies)
	}()
	r, err := p.ask("hello")
	if err == nil && (r.errno != 0 || r.unsupported != "" || r.words["name"] == "") {
		err = errors.New("it does not reply to hello with ok name=NAME")
	}
	if err != nil {
		return nil, r, fmt.Errorf("start testee: %w", errors.Join(err, p.stop()))
	}
	return p, r, nil
}

// ask makes a request. After an error the testee cannot be used any more.
func (p *process) ask(request string) (reply, error) {
	if p.broken != nil {
		return reply{}, p.broken
	}
	var r reply
	done := make(chan error)
	// On another thread: this one may be the environment's, whose descriptors are
	// its own, see kernel.Run.
	go func() {
		var err error
		r, err = p.exchange(request)
		done <- err
	}()
	if err := <-done; err != nil {
		p.broken = fmt.Errorf("testee: %s: %w", request, err)
	}
	return r, p.broken
}

func (p *process) exchange(request string) (reply, error) {
	if _, err := io.WriteString(p.in, request+"\n"); err != nil {
		return reply{}, fmt.Errorf("it does not read: %v", err) // an errno of its own would be taken for an answer
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case line, ok := <-p.replies:
		if !ok {
			return reply{}, errors.New("it has closed its output")
		}
		return parseReply(line)
	case <-late.C:
		return reply{}, fmt.Errorf("no reply within %v", patience)
	}
}

// stop ends the testee. A status other than 0 of one that was not killed is an
// error.
func (p *process) stop() error {
	p.in.Close()
	killer := time.AfterFunc(patience, func() { p.cmd.Process.Kill() })
	if p.broken != nil {
		p.cmd.Process.Kill()
	}
	for range p.replies { // what was written and never asked for
	}
	err := p.cmd.Wait()
	killer.Stop()
	if p.broken != nil && strings.Contains(p.cmd.ProcessState.String(), "killed") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("testee: %w", err)
	}
	return nil
}
