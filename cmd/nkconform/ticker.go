package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/term"

	"github.com/nkconform/nkconform/matrix"
)

// ticker shows on a terminal how far a matrix is: a line for each kernel that
// is done, and below them one that changes. Elsewhere it shows nothing.
type ticker struct {
	mu      sync.Mutex
	out     *os.File
	on      bool
	all     int
	done    int
	busy    []matrix.Entry
	state   map[matrix.Entry]string
	pending bytes.Buffer // a line of others that has not ended
}

func newTicker(out *os.File, all int) *ticker {
	return &ticker{out: out, on: term.IsTerminal(int(out.Fd())), all: all, state: map[matrix.Entry]string{}}
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
	for _, e := range t.busy {
		parts = append(parts, e.String()+" "+t.state[e])
	}
	line := strings.Join(parts, "  ")
	if t.all > 1 {
		line = fmt.Sprintf("%d/%d  %s", t.done, t.all, line)
	}
	if width, _, err := term.GetSize(int(t.out.Fd())); err == nil && width > 0 && len(line) >= width {
		line = line[:max(width-1, 0)]
	}
	fmt.Fprint(t.out, clear+line)
}

// Write shows lines of others, such as downloads, above the changing line.
func (t *ticker) Write(b []byte) (int, error) {
	if !t.on {
		return len(b), nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pending.Write(b)
	for {
		line, err := t.pending.ReadString('\n')
		if err != nil {
			t.pending.WriteString(line)
			break
		}
		fmt.Fprint(t.out, clear+line)
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
