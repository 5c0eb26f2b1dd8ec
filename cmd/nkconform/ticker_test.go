package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/nkconform/nkconform/matrix"
	"github.com/nkconform/nkconform/report"
)

// screen is what a terminal shows of what is written to it, as far as a ticker
// makes use of one.
func screen(written string) []string {
	lines := []string{""}
	for written != "" {
		last := &lines[len(lines)-1]
		if rest, ok := strings.CutPrefix(written, clear); ok {
			*last, written = "", rest
			continue
		}
		if rest, ok := strings.CutPrefix(written, "\n"); ok {
			lines, written = append(lines, ""), rest
			continue
		}
		*last, written = *last+written[:1], written[1:]
	}
	return lines
}

func TestTicker(t *testing.T) {
	var out bytes.Buffer
	width := 60
	tick := &ticker{out: &out, width: func() int { return width }, on: true, all: 2, state: map[matrix.Entry]string{}}
	shows := func(want ...string) {
		t.Helper()
		assert.Equal(t, want, screen(out.String()))
	}
	write := func(text string) {
		n, err := tick.Write([]byte(text))
		assert.NoError(t, err)
		assert.Equal(t, len(text), n)
	}
	a, b := matrix.Entry{Image: "a", Machine: matrix.Auto}, matrix.Entry{Image: "ü", Machine: matrix.Auto}

	tick.event(matrix.Event{Entry: a, Stage: matrix.Fetching})
	shows("0/2  a looked for")
	write("fetching a: 1.0 of 26.7 MB\r")
	shows("0/2  fetching a: 1.0 of 26.7 MB  a looked for")
	write("fetching a: 20.5 of")
	write(" 26.7 MB\r")
	shows("0/2  fetching a: 20.5 of 26.7 MB  a looked for")
	write("\r")
	shows("0/2  a looked for")
	write("using old package lists\n")
	shows("using old package lists", "0/2  a looked for")
	tick.event(matrix.Event{Entry: a, Stage: matrix.Running, Cases: 7})
	tick.event(matrix.Event{Entry: b, Stage: matrix.Booting})
	shows("using old package lists", "0/2  a 7  ü boots")
	width = 15
	tick.event(matrix.Event{Entry: b, Stage: matrix.Booting})
	shows("using old package lists", "0/2  a 7  ü bo")
	tick.event(matrix.Event{Entry: a, Stage: matrix.Done, Run: &report.Run{Stopped: "interrupted"}})
	shows("using old package lists", "a: 0 passed, 0 failed, 0 skipped (interrupted)", "1/2  ü boots")
	tick.end()
	shows("using old package lists", "a: 0 passed, 0 failed, 0 skipped (interrupted)", "")
}
