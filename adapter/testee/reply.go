package testee

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/mprog"
)

// reply is an answer of a testee.
type reply struct {
	errno       mprog.Errno // 0: it succeeded
	unsupported string      // why it could not be tried; "": it was
	words       map[string]string
}

// parseReply reads a line.
func parseReply(line string) (reply, error) {
	r := reply{words: map[string]string{}}
	verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	words := strings.Fields(rest)
	switch verb {
	case "ok":
	case "errno":
		if len(words) == 0 {
			return r, fmt.Errorf("reply %q: expected a number behind errno", line)
		}
		n, err := strconv.ParseUint(words[0], 10, 12)
		if err != nil || n == 0 {
			return r, fmt.Errorf("reply %q: %q is no errno", line, words[0])
		}
		r.errno, words = mprog.Errno(n), words[1:]
	case "unsupported":
		if r.unsupported = rest; rest == "" {
			r.unsupported = "the testee does not say why"
		}
		return r, nil
	default:
		return r, fmt.Errorf("reply %q: expected ok, errno or unsupported", line)
	}
	for _, w := range words {
		key, value, ok := strings.Cut(w, "=")
		if !ok || key == "" {
			return r, fmt.Errorf("reply %q: expected KEY=VALUE instead of %q", line, w)
		}
		r.words[key] = value
	}
	return r, nil
}

// number reads a word that must be there.
func (r reply) number(key string, bits int) (uint64, error) {
	value, ok := r.words[key]
	if !ok {
		return 0, fmt.Errorf("reply has no %s", key)
	}
	n, err := strconv.ParseUint(value, 10, bits)
	if err != nil {
		return 0, fmt.Errorf("reply: %s=%s is no number of %d bits", key, value, bits)
	}
	return n, nil
}

// ids reads a list of numbers, which may be empty, into a slice and returns how
// many there are.
func (r reply) ids(key string, into []uint32) (int, error) {
	value := r.words[key]
	if value == "" {
		return 0, nil
	}
	list := strings.Split(value, ",")
	if len(list) > len(into) {
		return 0, fmt.Errorf("reply: %s has %d ids, asked for were %d", key, len(list), len(into))
	}
	for i, s := range list {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return 0, fmt.Errorf("reply: %s: %q is no id", key, s)
		}
		into[i] = uint32(n)
	}
	return len(list), nil
}
