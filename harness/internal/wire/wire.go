// Package wire is what a guest and the harness say to each other: the job for
// the guest to do, and a stream of frames in which its output and exit status
// come back. The stream is compressed, since guests write it to a serial port.
package wire

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
)

// Job is the command a guest runs.
type Job struct {
	Argv []string // Argv[0] is an absolute path in the guest
	Env  []string // the whole environment, as in os.Environ
	Dir  string   // working directory
	// Steady says that what the command is doing is to be told all the time.
	Steady bool
	// Modules are loaded before, by name or alias.
	Modules []string
	// ModulesHint ends what is told of modules that the kernel asked for in vain.
	ModulesHint string
	Out         []string // absolute paths of files and folders that are to come back
}

// Kind says what a frame holds.
type Kind byte

// The kinds of frames; the first that a guest sends is Hello, the last Exit.
const (
	Hello  Kind = 'h' // the guest runs; the data is its kernel release
	Stdout Kind = 'o' // output of the command
	Stderr Kind = 'e' // error output of the command
	Files  Kind = 'f' // a part of a tar archive of what is new in Job.Out: see package back
	Alive  Kind = 'a' // a sign of life, sent again and again; of a steady job what it is doing
	Exit   Kind = 'x' // the command ended; the data is its exit status in decimal
)

// Frame is one message of a guest.
type Frame struct {
	Kind Kind
	Data []byte
}

// magic starts the stream. What comes before it is noise of the line.
var magic = []byte("\x00nkconform/1\x00")

// maxNoise bounds how far a reader looks for the start, maxData a frame.
const (
	maxNoise = 64 << 10
	maxData  = 1 << 20
)

// Writer sends frames. It is safe for concurrent use.
type Writer struct {
	mu  sync.Mutex
	out io.Writer
	z   *flate.Writer
}

// NewWriter returns a writer of frames to out. It writes nothing before the
// first frame.
func NewWriter(out io.Writer) *Writer { return &Writer{out: out} }

// Send writes one frame and flushes it to the underlying writer.
func (w *Writer) Send(kind Kind, data []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.z == nil {
		if _, err := w.out.Write(magic); err != nil {
			return err
		}
		z, err := flate.NewWriter(w.out, flate.BestSpeed)
		if err != nil {
			return err
		}
		w.z = z
	}
	for {
		chunk := data[:min(len(data), maxData)]
		data = data[len(chunk):]
		head := []byte{byte(kind)}
		head = binary.BigEndian.AppendUint32(head, uint32(len(chunk)))
		head = binary.BigEndian.AppendUint32(head, crc32.ChecksumIEEE(chunk))
		if _, err := w.z.Write(append(head, chunk...)); err != nil {
			return err
		}
		if len(data) == 0 {
			return w.z.Flush()
		}
	}
}

// Stream returns a writer that sends everything written to it as frames of
// the given kind.
func (w *Writer) Stream(kind Kind) io.Writer { return stream{w, kind} }

type stream struct {
	w    *Writer
	kind Kind
}

func (s stream) Write(b []byte) (int, error) {
	if err := s.w.Send(s.kind, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Reader receives frames.
type Reader struct {
	in *bufio.Reader
	z  io.Reader
}

// NewReader returns a reader of frames from in.
func NewReader(in io.Reader) *Reader { return &Reader{in: bufio.NewReader(in)} }

// Next returns the next frame. It returns io.EOF if the guest sent nothing
// more, and an error that says so if what it sent is damaged.
func (r *Reader) Next() (Frame, error) {
	if r.z == nil {
		if err := r.sync(); err != nil {
			return Frame{}, err
		}
		r.z = flate.NewReader(r.in)
	}
	var head [9]byte
	if _, err := io.ReadFull(r.z, head[:]); err != nil {
		// A guest that dies leaves the stream cut off: that is an end too.
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = io.EOF
		}
		return Frame{}, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxData {
		return Frame{}, fmt.Errorf("damaged frame from the guest: %d bytes long", n)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r.z, data); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = io.EOF
		}
		return Frame{}, err
	}
	if crc32.ChecksumIEEE(data) != binary.BigEndian.Uint32(head[5:]) {
		return Frame{}, errors.New("damaged frame from the guest: wrong checksum")
	}
	return Frame{Kind(head[0]), data}, nil
}

// sync skips everything up to and including the magic.
func (r *Reader) sync() error {
	var seen []byte
	for !bytes.HasSuffix(seen, magic) {
		b, err := r.in.ReadByte()
		if err != nil {
			return err
		}
		seen = append(seen, b)
		if len(seen) > maxNoise {
			return errors.New("no start of frames from the guest, only noise")
		}
	}
	return nil
}
