package harness

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nkconform/nkconform/harness/console"
	"github.com/nkconform/nkconform/harness/internal/wire"
)

// endGrace is how long a machine may take to end by itself after the guest
// has reported the exit status.
const endGrace = 5 * time.Second

// What is waited for when a kernel has broken: how long it may take to tell that, and
// how long what it has told and what the guest has said before may take to get here.
const (
	tellGrace = 1500 * time.Millisecond
	lastGrace = 200 * time.Millisecond
)

// Why a machine is killed that does not end by itself.
var (
	errLate   = errors.New("late")
	errBroken = errors.New("broken")
	errSilent = errors.New("silent")

	ours = []error{errLate, errBroken, errSilent}
)

// run runs the program, which boots a guest that does the command's job, and
// makes a Result or the right error of what it sees.
func run(ctx context.Context, c Command, prog program, accel string) (Result, error) {
	began := time.Now()
	p, err := launch(prog)
	if err != nil {
		return Result{}, err
	}
	rec := newReceiver(p.port, c)
	go rec.receive()

	limit, bootLimit := c.limits()
	silent := c.silence(accel)
	res := Result{ExitStatus: -1, Accel: accel}
	var stopped error // why the machine was killed, if it was
	deadline, reason := time.After(bootLimit), errLate
	exited, broke, told := p.exited, p.watch.Broke(), (<-chan struct{})(nil)
	silence := time.NewTimer(bootLimit)
	defer silence.Stop()
loop:
	for {
		select {
		case f, ok := <-rec.frames:
			if !ok {
				break loop
			}
			if f.Kind == wire.Hello {
				p.settle()
				res.Release, res.Boot = string(f.Data), time.Since(began)
				silence.Reset(silent)
				if reason == errLate {
					deadline = time.After(limit - res.Boot)
				}
				continue
			}
			status, err := strconv.Atoi(string(f.Data))
			if err != nil {
				stopped = fmt.Errorf("the guest sent a bad exit status: %w", err)
				break loop
			}
			res.ExitStatus = status
			if reason == errLate {
				deadline = time.After(endGrace)
			}
		case <-rec.heard:
			silence.Reset(silent)
		case <-silence.C:
			if res.Boot > 0 && res.ExitStatus < 0 && !rec.writing.Load() {
				stopped = errSilent
				break loop
			}
			silence.Reset(silent)
		case <-broke:
			broke, told = nil, p.watch.Told()
			if c.Broke != nil {
				c.Broke()
			}
			deadline, reason = time.After(tellGrace), errBroken
		case <-told:
			told = nil
			deadline = time.After(lastGrace)
		case <-exited:
			exited = nil
			p.settle()
		case <-deadline:
			stopped = reason
			break loop
		case <-ctx.Done():
			stopped = context.Cause(ctx)
			break loop
		}
	}
	res.Console = p.end()
	rec.drain()
	p.port.Close()
	res.Total = time.Since(began)
	res.KernelTrouble = console.Find(res.Console)

	if stopped == errSilent {
		res.Doing = rec.doing
	}
	switch {
	case res.ExitStatus >= 0:
		return res, nil
	case ctx.Err() != nil:
		return res, fmt.Errorf("run %s: %w", c.Image.Ref, context.Cause(ctx))
	case rec.err != nil:
		return res, fmt.Errorf("run %s: %w", c.Image.Ref, rec.err)
	case stopped != nil && !slices.Contains(ours, stopped):
		return res, fmt.Errorf("run %s: %w", c.Image.Ref, stopped)
	}
	return res, failure(c, res, stopped, p.err)
}

// failure is what the end of a guest means that came before the command's. The machine
// was stopped for one of our reasons, or ended by itself as exit says.
func failure(c Command, res Result, stopped, exit error) error {
	log := keepLog(c, res.Console)
	why := epitaph(res, exit)
	if _, broken := console.Broken(res.KernelTrouble); stopped == errSilent && !broken {
		why = fmt.Sprintf("it hangs: nothing was heard from it for %s", c.silence(res.Accel))
	}
	limit, bootLimit := c.limits()
	switch {
	case res.Boot == 0 && stopped == errLate:
		return &BootError{c.Image.Ref, fmt.Sprintf("no word from the guest within %s", bootLimit), log}
	case res.Boot == 0:
		return &BootError{c.Image.Ref, why, log}
	case stopped == errLate:
		return &TimeoutError{c.Image.Ref, limit, log}
	}
	return &DiedError{c.Image.Ref, why, log}
}

// epitaph says how a machine ended that ended too early.
func epitaph(res Result, err error) string {
	if broken, ok := console.Broken(res.KernelTrouble); ok {
		if why, ok := strings.CutPrefix(broken.Headline, "Kernel panic - not syncing: "); ok {
			return "kernel panic: " + why
		}
		return "its kernel broke: " + broken.String()
	}
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			if last := lastLine(res.Console); last != "" && exit.Exited() {
				return fmt.Sprintf("its machine ended with %v: %s", err, last)
			}
		}
		return fmt.Sprintf("its machine ended with %v", err)
	}
	return "its machine ended by itself"
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return strings.TrimSpace(s[strings.LastIndexByte(s, '\n')+1:])
}
