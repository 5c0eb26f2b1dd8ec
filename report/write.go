package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// Format names a way of writing results.
type Format string

// The formats.
const (
	Text    Format = "text"
	JSON    Format = "json"
	JUnit   Format = "junit"
	HTML    Format = "html"
	Summary Format = "summary" // Markdown for the summary of a CI job
)

// Formats lists all formats, as usage texts do.
var Formats = []Format{Text, JSON, JUnit, HTML, Summary}

// FormatNames is the list in words: "text, json, ... or summary".
func FormatNames() string {
	names := make([]string, len(Formats))
	for i, f := range Formats {
		names[i] = string(f)
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// ParseFormat returns the format of that name.
func ParseFormat(name string) (Format, error) {
	if f := Format(name); slices.Contains(Formats, f) {
		return f, nil
	}
	return "", fmt.Errorf("unknown format %q: expected %s", name, FormatNames())
}

// Write writes the results in a format.
func (r *Results) Write(out io.Writer, f Format, style Style) error {
	switch f {
	case Text:
		return r.text(out, style)
	case JSON:
		return r.json(out)
	case JUnit:
		return r.junit(out)
	case HTML:
		return r.html(out)
	case Summary:
		return r.summary(out)
	}
	_, err := ParseFormat(string(f))
	return err
}

// printable drops control characters, as of the escape sequences of a console: XML
// cannot hold them, and a terminal would do what they say.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, s)
}
