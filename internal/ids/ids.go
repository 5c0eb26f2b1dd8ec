// Package ids finds the objects that a text of the fake names: "program id 5 (a)".
package ids

import (
	"strconv"
	"strings"
)

// Replace writes a text anew. Wherever it has "program id N" or "link id N", with or
// without a name in parentheses behind it, that becomes what the function returns for
// the kind, program or link, and the id.
func Replace(text string, with func(kind string, id uint32) string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, " id ")
		if !found {
			return b.String() + text
		}
		digits := 0
		for digits < len(after) && after[digits] >= '0' && after[digits] <= '9' {
			digits++
		}
		id, err := strconv.ParseUint(after[:digits], 10, 32)
		kind := before[strings.LastIndexByte(before, ' ')+1:]
		if err != nil || kind != "program" && kind != "link" {
			b.WriteString(before + " id ")
			text = after
			continue
		}
		b.WriteString(before[:len(before)-len(kind)] + with(kind, uint32(id)))
		text = after[digits:]
		if strings.HasPrefix(text, " (") {
			if _, rest, closed := strings.Cut(text, ")"); closed {
				text = rest
			}
		}
	}
}
