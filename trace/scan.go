package trace

import "strings"

// word is a run of characters without white space; the brackets of a list are
// words of their own.
type word struct {
	text string
	col  int // from 1, in bytes
}

// scanLine appends the words of a line to others, and returns its comment.
func scanLine(words []word, line string) (all []word, comment string) {
	for i := 0; i < len(line); {
		switch c := line[i]; {
		case c == ' ' || c == '\t':
			i++
		case c == '#':
			return words, strings.TrimRight(line[i:], " \t\r")
		case c == '[' || c == ']':
			words = append(words, word{line[i : i+1], i + 1})
			i++
		default:
			end := strings.IndexAny(line[i:], " \t[]#")
			if end < 0 {
				end = len(line) - i
			}
			words = append(words, word{line[i : i+end], i + 1})
			i += end
		}
	}
	return words, ""
}
