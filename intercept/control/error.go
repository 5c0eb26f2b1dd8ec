package control

import (
	"errors"
	"io/fs"

	"github.com/nkconform/nkconform/mprog"
)

// Error is an error on its way. What code can ask of an error there, it can ask
// here: its errno, its rule, and which of the errors below it wraps.
type Error struct {
	Text    string
	Refusal *mprog.Error // if it is one
	Errno   mprog.Errno
	Wraps   []int // indexes of wrapped
}

// wrapped are the errors that are told apart.
var wrapped = []error{mprog.ErrUnsupported, fs.ErrClosed, ErrClosed}

func wire(err error) *Error {
	if err == nil {
		return nil
	}
	e := &Error{Text: err.Error()}
	var refusal *mprog.Error
	if errors.As(err, &refusal) && refusal.Error() == e.Text {
		e.Refusal = refusal
	}
	e.Errno, _ = mprog.ErrnoOf(err)
	for i, w := range wrapped {
		if errors.Is(err, w) {
			e.Wraps = append(e.Wraps, i)
		}
	}
	return e
}

func (e *Error) unwire() error {
	switch {
	case e == nil:
		return nil
	case e.Refusal != nil:
		return e.Refusal
	}
	return e
}

// Error returns the words of the other side.
func (e *Error) Error() string { return e.Text }

// Unwrap returns what the error wraps.
func (e *Error) Unwrap() []error {
	var list []error
	if e.Errno != 0 {
		list = append(list, e.Errno)
	}
	for _, i := range e.Wraps {
		if i >= 0 && i < len(wrapped) {
			list = append(list, wrapped[i])
		}
	}
	return list
}
