package reproducer

import (
	"regexp"
	"slices"
	"strings"
)

// used returns the blocks that a program refers to, and those that they refer to, in
// their order. The first is taken always.
func used(blocks []block, program string) string {
	taken := make([]bool, len(blocks))
	taken[0] = true
	words := identifiers(program)
	for again := true; again; {
		again = false
		for i, b := range blocks {
			if taken[i] || !slices.ContainsFunc(b.names, func(n string) bool { return words[n] }) {
				continue
			}
			taken[i], again = true, true
			for w := range b.words {
				words[w] = true
			}
		}
	}
	var out strings.Builder
	for i, b := range blocks {
		if taken[i] {
			out.WriteString(b.text + "\n\n")
		}
	}
	return out.String()
}

// block is a definition, or some that stand together, with the comment above.
type block struct {
	text  string
	names []string        // that it defines
	words map[string]bool // that it refers to
}

// split cuts a text where a blank line is followed by something at the margin.
func split(text string) []block {
	var list []block
	for part := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if n := len(list); n > 0 && (strings.HasPrefix(part, "\t") || strings.HasPrefix(part, "}")) {
			list[n-1].text += "\n\n" + part
			continue
		}
		list = append(list, block{text: part})
	}
	for i := range list {
		list[i].names = defines(list[i].text)
		if !strings.HasPrefix(list[i].text, "union") { // whose fields are called like functions
			list[i].words = identifiers(list[i].text)
		}
	}
	return list
}

var (
	macro      = regexp.MustCompile(`(?m)^#define (\w+)`)
	definition = regexp.MustCompile(`(?m)^static [^(=;{]*?(\w+)(?:\(|\[| =|;)`)
	several    = regexp.MustCompile(`(?m)^static int (\w+), (\w+);`)
	structure  = regexp.MustCompile(`(?m)^(?:struct|union) (\w+) \{`)
	closing    = regexp.MustCompile(`(?m)^\} (\w+);`)
	constant   = regexp.MustCompile(`\b([A-Z][A-Z0-9_]+)(?: = [^,}]+)?[,}\s]`)
	comment    = regexp.MustCompile(`(?s)/\*.*?\*/|"(?:[^"\\]|\\.)*"`)
	word       = regexp.MustCompile(`[A-Za-z_]\w*`)
)

// defines returns the names that a block defines at the margin.
func defines(text string) (names []string) {
	text = comment.ReplaceAllString(text, "")
	for _, form := range []*regexp.Regexp{macro, definition, several, structure, closing} {
		for _, m := range form.FindAllStringSubmatch(text, -1) {
			names = append(names, m[1:]...)
		}
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "enum") || strings.HasPrefix(line, "\tBPF_") {
			for _, m := range constant.FindAllStringSubmatch(line, -1) {
				names = append(names, m[1])
			}
		}
	}
	return names
}

func identifiers(text string) map[string]bool {
	words := map[string]bool{}
	for _, w := range word.FindAllString(comment.ReplaceAllString(text, ""), -1) {
		words[w] = true
	}
	return words
}
