//go:build amd64 || arm64

package intercept

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

// tally counts what was not simulated as the kernel has it.
type tally struct {
	mu    sync.Mutex
	lines map[string]*tallied
}

// tallied is one such thing.
type tallied struct {
	What  string `json:"what"`
	Times int    `json:"times"`
	// First is the process that did it first, as name[pid]; empty if it was none.
	First string `json:"first,omitempty"`

	order int
}

func newTally() *tally { return &tally{lines: make(map[string]*tallied)} }

// add counts a thing, and reports whether it is a new one. Its first caller is asked
// for then alone.
func (t *tally) add(what string, first func() string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.lines[what]
	if known == nil {
		known = &tallied{What: what, First: first(), order: len(t.lines)}
		t.lines[what] = known
	}
	known.Times++
	return known.Times == 1
}

// list returns all things in the order in which they came.
func (t *tally) list() []*tallied {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]*tallied, 0, len(t.lines))
	for _, each := range t.lines {
		list = append(list, each)
	}
	slices.SortFunc(list, func(a, b *tallied) int { return cmp.Compare(a.order, b.order) })
	return list
}

// summarize tells, at the end, of everything that was not simulated as the kernel
// has it, and whether there was anything.
func (s *supervisor) summarize() bool {
	list := s.notes.list()
	if s.options.Summary != nil {
		e := json.NewEncoder(s.options.Summary)
		e.SetIndent("", "  ")
		if err := e.Encode(list); err != nil {
			s.say(fmt.Sprintf("summary: %v", err))
		}
	}
	if len(list) == 0 {
		return false
	}
	s.say("not simulated as the kernel has it:")
	for _, each := range list {
		line := fmt.Sprintf("%5d x %s", each.Times, each.What)
		if each.First != "" {
			line += fmt.Sprintf(" (first: %s)", each.First)
		}
		s.say(line)
	}
	return true
}
