package harness

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/nkconform/nkconform/harness/internal/back"
	"github.com/nkconform/nkconform/harness/internal/wire"
)

// receiver takes what a guest says.
type receiver struct {
	port    io.Reader
	command Command
	files   *back.Unpacker
	frames  chan wire.Frame // what is not the command's output; closed at the end
	heard   chan struct{}   // when there has been something that shows that it does not hang
	writing atomic.Bool     // it waits for whoever reads the output
	doing   string          // what the guest last said of the command; valid once frames is closed
	err     error           // why no more could be received; valid once frames is closed
}

func newReceiver(port io.Reader, c Command) *receiver {
	return &receiver{port: port, command: c, frames: make(chan wire.Frame), heard: make(chan struct{}, 1)}
}

// drain waits for the end of what the guest has said.
func (r *receiver) drain() {
	for range r.frames {
	}
}

// receive passes the command's output on and the other frames to the channel
// until the guest or the machine has ended.
func (r *receiver) receive() {
	defer close(r.frames)
	r.files = back.Unpack(r.command.Out)
	defer r.files.Close() // of a guest that died, whose files are not whole
	in := wire.NewReader(r.port)
	for {
		f, err := in.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if err == nil {
			err = r.pass(f)
		}
		if err != nil {
			r.err = err
			return
		}
	}
}

func (r *receiver) pass(f wire.Frame) error {
	var w io.Writer
	switch f.Kind {
	case wire.Stdout:
		w = r.command.Stdout
	case wire.Stderr:
		w = r.command.Stderr
	case wire.Files:
		w = r.files
	case wire.Alive:
		r.doing = string(f.Data)
	case wire.Exit:
		if err := r.files.Close(); err != nil {
			return err
		}
		r.frames <- f
		return nil
	default:
		r.frames <- f
		return nil
	}
	if w != nil {
		r.doing = ""
		r.writing.Store(true)
		defer r.writing.Store(false)
		if _, err := w.Write(f.Data); err != nil {
			return fmt.Errorf("pass on the output of the guest: %w", err)
		}
	}
	if f.Kind != wire.Alive || !r.command.Steady {
		select {
		case r.heard <- struct{}{}:
		default:
		}
	}
	return nil
}
