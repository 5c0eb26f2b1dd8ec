package deviation

import (
	"fmt"
	"path"
	"strings"
)

// Parse reads a list: paragraphs of the fields kernels (globs, optional),
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
			Reason: fields["reason"], Where: fmt.Sprintf("%s:%d", name, began)}
		for _, glob := range d.Kernels {
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
			if !ok || field != "kernels" && field != "case" && field != "message" && field != "reason" {
				return nil, fmt.Errorf("%s:%d: unknown field %q: expected kernels, case, message or reason", name, n, field)
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
