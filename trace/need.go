package trace

import (
	"strings"

	"github.com/nkconform/nkconform/mprog"
)

// ParseNeed reads an operand of need: a feature that the kernel must have, or,
// after an exclamation mark, one that it must not have.
func ParseNeed(word string) (f mprog.Feature, absent bool) {
	name, absent := strings.CutPrefix(word, "!")
	return mprog.Feature(name), absent
}
