package deviation

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// fieldNames are the fields of a deviation.
var fieldNames = []string{"kernels", "fake", "case", "message", "reason"}

// Parse reads a list: paragraphs of the fields kernels (globs, or FROM..TO of releases;
// optional), fake ("no" where the fake of these releases does not deviate; optional),
// case, message and reason, each "name: text", continued by indented lines.
// Lines that begin with # are comments. The name is for messages.
//
//	kernels: debian:6.12 6.12.*
//	case: attach/revision/stale
//	message: came     ! EINVAL
//	reason: fixed in 6.13
func Parse(name, text string) (List, error) {
	var list List
	var d Deviation
	fields := map[string]string{}
	last, began := "", 0
	finish := func() error {
		if len(fields) == 0 {
			return nil
		}
		for _, want := range []string{"case", "message", "reason"} {
			if fields[want] == "" {
				return fmt.Errorf("%s:%d: a deviation without %q", name, began, want)
			}
		}
		d = Deviation{Kernels: strings.Fields(fields["kernels"]), Case: fields["case"], Message: fields["message"],
			Reason: fields["reason"], Where: fmt.Sprintf("%s:%d", name, began), Real: fields["fake"] == "no"}
		if fake := fields["fake"]; fake != "" && fake != "no" {
			return fmt.Errorf("%s: fake %q: expected no", d.Where, fake)
		}
		for _, glob := range d.Kernels {
			if from, to, found := strings.Cut(glob, rangeMark); found {
				if err := checkRange(from, to); err != nil {
					return fmt.Errorf("%s: kernels %q: %w", d.Where, glob, err)
				}
				continue
			}
			if _, err := path.Match(glob, ""); err != nil {
				return fmt.Errorf("%s: kernel %q: %w", d.Where, glob, err)
			}
		}
		list = append(list, d)
		clear(fields)
		last = ""
		return nil
	}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, " \t\r\n")
		switch {
		case strings.HasPrefix(line, "#"):
		case line == "":
			if err := finish(); err != nil {
				return nil, err
			}
		case line[0] == ' ' || line[0] == '\t':
			if last == "" {
				return nil, fmt.Errorf("%s:%d: a continued line without a field before it", name, n)
			}
			fields[last] += " " + strings.TrimSpace(line)
		default:
			field, value, ok := strings.Cut(line, ":")
			if !ok || !slices.Contains(fieldNames, field) {
				return nil, fmt.Errorf("%s:%d: unknown field %q: expected %s", name, n, field, strings.Join(fieldNames, ", "))
			}
			if _, twice := fields[field]; twice {
				return nil, fmt.Errorf("%s:%d: a second %q in one deviation: an empty line must stand between two", name, n, field)
			}
			if len(fields) == 0 {
				began = n
			}
			fields[field], last = strings.TrimSpace(value), field
		}
	}
	if err := finish(); err != nil {
		return nil, err
	}
	return list, nil
}
