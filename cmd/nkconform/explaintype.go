package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/nkconform/nkconform/internal/picture"
	"github.com/nkconform/nkconform/trace"
)

const typedHelp = `A statement makes a system call, one a line; docs/trace-language.md has all of them:
  netkit nk0 nk1            a netkit pair            prog a b return=-1    programs
  attach nk0:primary a      append                   detach nk0:primary a  take off
  attach nk0:primary b flags=before relative_fd=a    link l nk0:peer a     by a link
  send nk0                  a packet                 query nk0:primary     the list
TAB completes, the arrow keys bring back earlier lines. Besides there are
  list   every list that there is      undo   take the last statement back
  why    the checks of the last call   quit   or Ctrl-D`

// interactive reads statements until the input ends.
func (e *explainer) interactive(in *os.File) error {
	if !term.IsTerminal(int(in.Fd())) {
		scan := bufio.NewScanner(in)
		for scan.Scan() {
			if e.typed(scan.Text()) {
				return nil
			}
		}
		return scan.Err()
	}
	was, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return fmt.Errorf("explain: %w", err)
	}
	defer func() { _ = term.Restore(int(in.Fd()), was) }() // nothing can be done about it
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, e.out}, "> ")
	if width, height, err := term.GetSize(int(in.Fd())); err == nil && width > 0 {
		_ = t.SetSize(width, height) // it wraps lines at 80 columns then
	}
	t.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) {
		return e.complete(t, line, pos, key)
	}
	e.out = t
	fmt.Fprintln(t, "Statements, one a line; ? helps.")
	for {
		line, err := t.ReadLine()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("explain: %w", err)
		}
		if e.typed(line) {
			return nil
		}
	}
}

// complete is what TAB does: it adds what can only be so, else it shows what may follow.
func (e *explainer) complete(out io.Writer, line string, pos int, key rune) (string, int, bool) {
	if key != '\t' {
		return "", 0, false
	}
	words, start := e.session.Reader().Complete(line[:pos])
	if len(words) == 0 {
		return line, pos, true
	}
	common := words[0]
	for _, w := range words[1:] {
		for !strings.HasPrefix(w, common) {
			common = common[:len(common)-1]
		}
	}
	if len(words) == 1 && !strings.HasSuffix(common, "=") && !strings.HasSuffix(common, "/") && !strings.HasPrefix(line[pos:], " ") {
		common += " "
	}
	if common == line[start:pos] {
		fmt.Fprintln(out, strings.Join(words, "  "))
	}
	return line[:start] + common + line[pos:], start + len(common), true
}

// typed does what a line says, and reports whether it says to end.
func (e *explainer) typed(line string) (quit bool) {
	switch strings.TrimSpace(line) {
	case "":
	case "?", "help":
		fmt.Fprintln(e.out, typedHelp)
	case "quit", "exit":
		return true
	case "list":
		for _, d := range e.session.State().Devices {
			for _, h := range d.Hooks {
				if d.Used() {
					fmt.Fprintln(e.out, e.style.Hook(h))
				}
			}
		}
		for _, c := range e.session.State().Cgroups {
			for _, h := range c.Hooks {
				if h.Revision > 1 || len(h.Runs) > 0 {
					fmt.Fprintln(e.out, e.style.Hook(h))
				}
			}
		}
	case "why":
		if e.last == nil {
			fmt.Fprintln(e.out, "no call yet")
			break
		}
		fmt.Fprintln(e.out, picture.Style{Color: e.style.Color, Checks: true}.Text(e.last))
	case "undo":
		if !e.undo() {
			fmt.Fprintln(e.out, "nothing to take back")
		}
	default:
		step, err := e.play(line)
		var mistake *trace.Error
		switch {
		case errors.As(err, &mistake):
			fmt.Fprintln(e.out, e.style.Mistake(line, mistake))
		case err != nil:
			fmt.Fprintln(e.out, "not played:", err)
		default:
			fmt.Fprintln(e.out, e.style.Text(&step))
			if step.Line.Statement != nil {
				e.last = &step
			}
		}
	}
	return false
}

// undo takes the last statement back, by playing all others again.
func (e *explainer) undo() bool {
	if len(e.played) == 0 {
		return false
	}
	lines := e.played[:len(e.played)-1]
	e.played, e.last, e.session = nil, nil, picture.New(e.options...)
	for _, l := range lines {
		if _, err := e.play(l); err != nil {
			return false // it was played before
		}
	}
	return true
}
