package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/nkconform/nkconform/harness/internal/back"
	"github.com/nkconform/nkconform/harness/internal/wire"
)

// endGrace is how long a machine may take to end by itself after the guest
// has reported the exit status.
const endGrace = 5 * time.Second

// run runs the program, which boots a guest that does the command's job, and
// makes a Result or the right error of what it sees.
func run(ctx context.Context, c Command, prog program, accel string) (Result, error) {
	began := time.Now()
	p, err := launch(prog)
	if err != nil {
		return Result{}, err
	}
	frames := make(chan wire.Frame)
	var outErr error // why frames could not be received; valid once frames is closed
	go func() {
		defer close(frames)
		outErr = receive(p.port, frames, c)
	}()

	limit, bootLimit := c.limits()
	res := Result{ExitStatus: -1, Accel: accel}
	var stopped error // why the machine was killed, if it was
	deadline, exited := time.After(bootLimit), p.exited
loop:
	for {
		select {
		case f, ok := <-frames:
			if !ok {
				break loop
			}
			if f.Kind == wire.Hello {
				p.settle()
				res.Release, res.Boot = string(f.Data), time.Since(began)
				deadline = time.After(limit - res.Boot)
				continue
			}
			status, err := strconv.Atoi(string(f.Data))
			if err != nil {
				stopped = fmt.Errorf("the guest sent a bad exit status: %w", err)
				break loop
			}
			res.ExitStatus = status
			deadline = time.After(endGrace)
		case <-exited:
			exited = nil
			p.settle()
		case <-deadline:
			stopped = context.DeadlineExceeded
			break loop
		case <-ctx.Done():
			stopped = context.Cause(ctx)
			break loop
		}
	}
	res.Console = p.end()
	for range frames {
	}
	p.port.Close()
	res.Total = time.Since(began)
	res.KernelTrouble = findTrouble(res.Console)

	switch {
	case res.ExitStatus >= 0:
		return res, nil
	case ctx.Err() != nil:
		return res, fmt.Errorf("run %s: %w", c.Image.Ref, context.Cause(ctx))
	case outErr != nil:
		return res, fmt.Errorf("run %s: %w", c.Image.Ref, outErr)
	case stopped != nil && !errors.Is(stopped, context.DeadlineExceeded):
		return res, fmt.Errorf("run %s: %w", c.Image.Ref, stopped)
	}
	log := keepLog(c, res.Console)
	switch {
	case res.Boot == 0 && stopped != nil:
		return res, &BootError{c.Image.Ref, fmt.Sprintf("no word from the guest within %s", bootLimit), log}
	case res.Boot == 0:
		return res, &BootError{c.Image.Ref, epitaph(res, p.err), log}
	case stopped != nil:
		return res, &TimeoutError{c.Image.Ref, limit, log}
	}
	return res, &DiedError{c.Image.Ref, epitaph(res, p.err), log}
}

// receive passes the command's output on and the other frames to the channel
// until the guest or the machine has ended.
func receive(port io.Reader, frames chan<- wire.Frame, c Command) error {
	r := wire.NewReader(port)
	files := back.Unpack(c.Out)
	defer files.Close() // of a guest that died, whose files are not whole
	for {
		f, err := r.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		var w io.Writer
		switch f.Kind {
		case wire.Stdout:
			w = c.Stdout
		case wire.Stderr:
			w = c.Stderr
		case wire.Files:
			w = files
		case wire.Exit:
			if err := files.Close(); err != nil {
				return err
			}
			frames <- f
		default:
			frames <- f
		}
		if w == nil {
			continue
		}
		if _, err := w.Write(f.Data); err != nil {
			return fmt.Errorf("pass on the output of the guest: %w", err)
		}
	}
}

// epitaph says how a machine ended that ended too early.
func epitaph(res Result, err error) string {
	for _, line := range res.KernelTrouble {
		if _, why, ok := strings.Cut(line, "Kernel panic - not syncing: "); ok {
			return "kernel panic: " + why
		}
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
