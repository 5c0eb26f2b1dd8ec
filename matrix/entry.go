// Package matrix runs the suite on many kernels, each in a machine booted for
// it, and loses no result whatever a kernel does.
package matrix

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/harness"
)

// Entry is one row of a matrix: a kernel and the machine that boots it.
type Entry struct {
	Image   string `json:"image"` // as harness/image resolves it
	Machine string `json:"vm"`    // a kind of machine, or auto for the fastest that can
}

// Auto chooses the machine by the image.
const Auto = harness.Auto

// String is the entry as it is written: IMAGE, or IMAGE@MACHINE.
func (e Entry) String() string {
	if e.Machine == Auto {
		return e.Image
	}
	return e.Image + "@" + e.Machine
}

// ParseEntry reads IMAGE or IMAGE@MACHINE; the machine is the one given if the
// text names none.
func ParseEntry(text, machine string) (Entry, error) {
	e := Entry{Image: text, Machine: machine}
	if i := strings.LastIndexByte(text, '@'); i >= 0 && harness.Known(text[i+1:]) {
		e.Image, e.Machine = text[:i], text[i+1:]
	}
	if e.Image == "" {
		return e, fmt.Errorf("%q names no image", text)
	}
	if !harness.Known(e.Machine) {
		return e, fmt.Errorf("unknown machine %q: expected %s", e.Machine, harness.Names())
	}
	return e, nil
}

// ParseArgs reads entries that stand each by itself, as on a command line.
func ParseArgs(args []string, machine string) ([]Entry, error) {
	list := make([]Entry, len(args))
	for i, arg := range args {
		var err error
		if list[i], err = ParseEntry(arg, machine); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// DefaultList is the kernels of interest, as ParseList reads them.
//
//go:embed kernels.txt
var DefaultList string

// ParseList reads entries, one a line, where # begins a comment. The name is
// for messages.
func ParseList(name, text, machine string) ([]Entry, error) {
	var list []Entry
	n := 0
	for line := range strings.Lines(text) {
		n++
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		e, err := ParseEntry(line, machine)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		list = append(list, e)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s lists no kernels", name)
	}
	return list, nil
}

// Shard returns the share i of n, counted from 1, of a list: what "i/n" says.
// Every entry is in exactly one share; a share may be empty.
func Shard[T any](list []T, spec string) ([]T, error) {
	a, b, ok := strings.Cut(spec, "/")
	i, errI := strconv.Atoi(a)
	n, errN := strconv.Atoi(b)
	if !ok || errI != nil || errN != nil || i < 1 || i > n {
		return nil, fmt.Errorf("bad share %q: expected i/n, such as 1/3", spec)
	}
	var share []T
	for k := i - 1; k < len(list); k += n {
		share = append(share, list[k])
	}
	return share, nil
}
