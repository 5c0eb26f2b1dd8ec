package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// Streaming is the running form of a [Run], a line of JSON for each thing as
// it comes: first the kernel, then the cases. It is how a guest reports, so
// that a kernel that dies takes no result with it.
type Streaming struct{ e *json.Encoder }

// NewStreaming starts a stream by naming what answers.
func NewStreaming(out io.Writer, k Kernel) (*Streaming, error) {
	s := &Streaming{json.NewEncoder(out)}
	return s, s.e.Encode(k)
}

// Case reports a case. Its rule is left out: the reader has the suite.
func (s *Streaming) Case(c Case) error {
	c.Rule = ""
	return s.e.Encode(c)
}

// Receiver is an io.Writer that reads a stream.
type Receiver struct {
	Kernel Kernel
	OnCase func(Case)

	started bool
	rest    []byte // of a line that has not ended yet
}

// Write takes the next bytes of the stream.
func (r *Receiver) Write(b []byte) (int, error) {
	r.rest = append(r.rest, b...)
	for {
		line, rest, ok := bytes.Cut(r.rest, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		if err := r.line(line); err != nil {
			return 0, err
		}
		r.rest = rest
	}
}

func (r *Receiver) line(line []byte) error {
	if !r.started {
		r.started = true
		if err := json.Unmarshal(line, &r.Kernel); err != nil {
			return fmt.Errorf("read the kernel's name: %w", err)
		}
		return nil
	}
	var c Case
	if err := json.Unmarshal(line, &c); err != nil {
		return fmt.Errorf("read a result: %w", err)
	}
	r.OnCase(c)
	return nil
}
