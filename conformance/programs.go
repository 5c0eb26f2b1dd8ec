package conformance

import (
	"slices"
	"strings"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// programs returns what a trace asks of the programs that it loads.
func programs(f *trace.File) mprog.ProgSpec {
	sends := slices.ContainsFunc(f.Statements(), func(s *trace.Statement) bool {
		return s.Verb == "send" || s.Verb == "datagram"
	})
	return mprog.ProgSpec{Mute: !sends, Used: !sends && onlyAttached(f)}
}

// attaching are the verbs to which a program is something to attach, and nothing
// else: neither its id matters nor when it ends.
var attaching = []string{"for", "need", "netkit", "device", "veth", "dummy", "delete", "move", "netns", "end",
	"attach", "detach", "query", "link", "link-update", "link-detach"}

// onlyAttached says that a trace does nothing with its programs but attach them.
func onlyAttached(f *trace.File) bool {
	links := map[string]bool{}
	for _, s := range f.Statements() {
		if s.Process != "" {
			return false
		}
		switch {
		case s.Verb == "prog":
			if !plain(s) {
				return false
			}
		case s.Verb == "close", s.Verb == "info":
			if slices.ContainsFunc(s.Operands, func(word string) bool { return !links[word] }) {
				return false
			}
		case !slices.Contains(attaching, s.Verb):
			return false
		}
		if s.Verb == "link" {
			links[s.Operands[0]] = true
		}
		if strings.Contains(param(s, "relative_id"), "+") { // the id after a program's
			return false
		}
	}
	return true
}

// plain says that a statement is not about loading programs: it must succeed,
// with names that say nothing.
func plain(s *trace.Statement) bool {
	odd := func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.') }
	long := func(word string) bool { return len(word) >= 15 || strings.ContainsFunc(word, odd) }
	_, typed := s.Param("type") // which those that are kept are not
	return !typed && len(s.Answer.Outcomes) == 0 && !s.Answer.Any && !slices.ContainsFunc(s.Operands, long)
}
