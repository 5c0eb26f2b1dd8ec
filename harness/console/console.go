// Package console reads what a Linux kernel prints of itself on its console: where
// it complains, of what, and what it was doing then.
package console

import (
	"bytes"
	"strconv"
	"strings"
)

// Find returns the complaints in a console log, in order. Of several with the same
// headline it returns the first.
func Find(log string) []Complaint {
	var f finder
	for rest := []byte(log); len(rest) > 0; {
		text, after, ok := cutLine(rest)
		if !ok {
			text, after = rest, nil
		}
		f.add(string(text))
		rest = after
	}
	f.finish()
	return f.found
}

// maxLine bounds a line, in bytes; a longer one is read as several.
const maxLine = 16 << 10

// cutLine cuts the first line off, if it has come to its end.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	if i := bytes.IndexByte(b[:min(len(b), maxLine)], '\n'); i >= 0 {
		return b[:i], b[i+1:], true
	}
	if len(b) >= maxLine {
		return b[:maxLine], b[maxLine:], true
	}
	return nil, b, false
}

// Limits of a report: how many lines it has at most, and how many seconds of the
// kernel's time lie at most between one and the next.
const (
	maxLines = 200
	maxGap   = 2
)

// introLines is how many lines before a headline may be of its report.
const introLines = 16

// finder reads a console line by line.
type finder struct {
	found []Complaint
	lines []line           // of the report being read, nil between reports
	is    *pattern         // that it began with
	first int              // its headline
	last  [introLines]line // before it
}

// add takes the next line.
func (f *finder) add(text string) {
	l := parse(text)
	p := patternOf(l.message)
	if f.lines != nil && !f.takes(l, p) {
		f.finish()
	}
	switch {
	case f.lines != nil:
		f.lines = append(f.lines, l)
		if f.is.end.MatchString(l.message) {
			f.finish()
		}
	case p != nil:
		intro := f.intro(l)
		f.lines, f.first, f.is = append(intro, l), len(intro), p
	default:
		copy(f.last[:], f.last[1:])
		f.last[introLines-1] = l
	}
}

// takes reports whether a line goes on with the report; p is its pattern if it could
// begin one.
func (f *finder) takes(l line, p *pattern) bool {
	if p != nil {
		return p.more && p.kind == f.is.kind
	}
	return len(f.lines) < maxLines && near(f.lines[len(f.lines)-1], l)
}

// finish ends the report being read, if there is one.
func (f *finder) finish() {
	if f.lines == nil {
		return
	}
	c := newComplaint(f.is.kind, f.lines, f.first)
	f.lines, f.last = nil, [introLines]line{}
	for _, have := range f.found {
		if have.Headline == c.Headline {
			return
		}
	}
	f.found = append(f.found, c)
}

// intro returns a copy of what came just before the headline, if it is of the report:
// some say what has been checked before they say what they are.
func (f *finder) intro(headline line) []line {
	for i, l := range f.last {
		if opening.MatchString(l.message) && near(l, headline) {
			return append([]line{}, f.last[i:]...)
		}
	}
	return nil
}

// opening is the first line of what comes before a headline. User-Mode Linux tells
// the registers first.
var opening = compile(`^(?:-+\[ cut here \]-+|={20,})$|^Pid: \d+, comm: `)

// line is one of a console.
type line struct {
	text    string  // as it was printed, without what ends it
	message string  // without the stamp
	time    float64 // of the stamp in seconds, -1 without one
}

// stamp is what may stand before a kernel's message: log level, time and the
// task or processor that printed it.
var stamp = compile(`^(?:<\d+>)?(?:\[ *(\d+\.\d+)\](?:\[ *[TC]\d+\])? )?`)

func parse(text string) line {
	l := line{text: strings.TrimRight(text, "\r\n"), time: -1}
	at := stamp.FindStringSubmatchIndex(l.text)
	l.message = l.text[at[1]:]
	if at[2] >= 0 {
		if t, err := strconv.ParseFloat(l.text[at[2]:at[3]], 64); err == nil {
			l.time = t
		}
	}
	return l
}

// near reports whether two lines can be of one report.
func near(a, b line) bool {
	return (a.time < 0) == (b.time < 0) && b.time-a.time < maxGap
}
