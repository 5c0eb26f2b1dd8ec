package main

import (
	"bytes"
	"io"
	"regexp"
)

// beat is what fuzz says of its progress: from a guest, which cannot be asked any
// more when a run is interrupted.
var beat = regexp.MustCompile(`^\d+ sequences, \d+ steps, \S+\n$`)

// beats passes lines on and keeps the last of progress.
type beats struct {
	out  io.Writer
	show bool // progress, too
	rest []byte
	last string
}

func (b *beats) Write(p []byte) (int, error) {
	b.rest = append(b.rest, p...)
	for {
		end := bytes.IndexByte(b.rest, '\n') + 1
		if end == 0 {
			return len(p), nil
		}
		line := b.rest[:end]
		b.rest = b.rest[end:]
		if beat.Match(line) {
			b.last = string(line)
			if !b.show {
				continue
			}
		}
		if _, err := b.out.Write(line); err != nil {
			return 0, err
		}
	}
}
