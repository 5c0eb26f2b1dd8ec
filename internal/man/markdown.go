package main

import (
	"regexp"
	"strings"
)

// special are the characters that Markdown, which is how cobra/doc reads every
// text, gives a meaning.
var special = regexp.MustCompile("[\\\\`*_<>\\[\\]]")

// markdown is plain text such that Markdown shows it as it is: columns as a block,
// all else as paragraphs.
func markdown(text string) string {
	var b strings.Builder
	block := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		columns := strings.Contains(line, "  ")
		if columns != block && line != "" {
			b.WriteByte('\n') // between a block and a paragraph
		}
		switch {
		case columns:
			b.WriteString("    " + line)
		default:
			b.WriteString(special.ReplaceAllString(line, `\$0`))
		}
		b.WriteByte('\n')
		block = columns
	}
	return strings.Trim(b.String(), "\n")
}
