package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/term"

	"github.com/nkconform/nkconform/matrix"
)

// ticker shows on a terminal how far long work is: lines that stay, such as one
// for each kernel that is done, and below them one that changes. Elsewhere it
// shows nothing.
type ticker struct {
	mu      sync.Mutex
	out     io.Writer
	width   func() int // of the terminal
	on      bool
	all     int // kernels of a matrix
	done    int
	busy    []matrix.Entry
	state   map[matrix.Entry]string
	passing string // the last line of others that the next one replaces
	pending string // what others have begun of a line
}

func newTicker(out *os.File, all int) *ticker {
	width := func() int {
		width, _, err := term.GetSize(int(out.Fd()))
		if err != nil {
			return 0
		}
		return width
	}
	return &ticker{out: out, width: width, on: term.IsTerminal(int(out.Fd())), all: all, state: map[matrix.Entry]string{}}
}

// clear makes the changing line empty.
const clear = "\r\x1b[K"

func (t *ticker) event(e matrix.Event) {
	if !t.on {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e.Stage {
	case matrix.Fetching:
		t.set(e.Entry, "looked for")
	case matrix.Booting:
		t.set(e.Entry, "boots")
	case matrix.Running:
		t.set(e.Entry, fmt.Sprint(e.Cases))
	case matrix.Done:
		t.busy = slices.DeleteFunc(t.busy, func(b matrix.Entry) bool { return b == e.Entry })
		t.done++
		if t.all > 1 {
			fmt.Fprintf(t.out, "%s%s: %s%s\n", clear, e.Entry, e.Run.Count, note(e.Run.Stopped))
		}
	}
	t.draw()
}

func note(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

func (t *ticker) set(e matrix.Entry, state string) {
	if !slices.Contains(t.busy, e) {
		t.busy = append(t.busy, e)
	}
	t.state[e] = state
}

// draw shows the changing line, cut to the terminal's width.
func (t *ticker) draw() {
	var parts []string
	if t.all > 1 {
		parts = append(parts, fmt.Sprintf("%d/%d", t.done, t.all))
	}
	if t.passing != "" {
		parts = append(parts, t.passing)
	}
	for _, e := range t.busy {
		parts = append(parts, e.String()+" "+t.state[e])
	}
	line := []rune(strings.Join(parts, "  "))
	if width := t.width(); width > 0 && len(line) >= width {
		line = line[:width-1]
	}
	fmt.Fprint(t.out, clear+string(line))
}

// Write shows lines of others, such as downloads, above the changing line, and in
// it those that end in a carriage return.
func (t *ticker) Write(b []byte) (int, error) {
	if !t.on {
		return len(b), nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pending += string(b)
	for {
		i := strings.IndexAny(t.pending, "\r\n")
		if i < 0 {
			break
		}
		line, end := t.pending[:i], t.pending[i]
		t.pending = t.pending[i+1:]
		t.passing = ""
		if end == '\r' {
			t.passing = line
		} else {
			fmt.Fprint(t.out, clear+line+"\n")
		}
	}
	t.draw()
	return len(b), nil
}

// end takes the changing line away.
func (t *ticker) end() {
	if t.on {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.on = false
		fmt.Fprint(t.out, clear)
	}
}
