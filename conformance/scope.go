package conformance

import (
	"strconv"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// unboundFD is passed where a trace names an object that was never made. No
// process here has as many fds.
const unboundFD = 1<<31 - 1

// scope knows which numbers the names of a trace stand for, and back.
type scope struct {
	ifindex map[string]uint32
	fd      map[string]uint32
	id      map[string]uint32
	hook    map[string]place  // of a link
	pin     map[string]string // by path: the name of what is pinned there
	netns   map[string]mprog.Netns
	process map[string]mprog.Process
	home    map[string]mprog.Netns // of a process or a device, where that is not the first

	cgroup map[uint64]string // by id
	made   map[string]string // of a cgroup's name: the one it was made with

	device map[uint32]string // by ifindex
	prog   map[uint32]string // by id
	link   map[uint32]string // by id
	pair   map[string]string // the other end of a device

	closed    map[mprog.Netns]bool // namespaces that have been ended
	residents map[mprog.Netns]int  // how many processes live there, but for the first
	viewers   []viewer
}

func newScope() *scope {
	return &scope{
		ifindex: map[string]uint32{"lo": 1}, fd: map[string]uint32{}, id: map[string]uint32{},
		hook: map[string]place{}, pin: map[string]string{},
		netns: map[string]mprog.Netns{}, process: map[string]mprog.Process{}, home: map[string]mprog.Netns{},
		device: map[uint32]string{1: "lo"}, cgroup: map[uint64]string{}, made: map[string]string{},
		prog: map[uint32]string{}, link: map[uint32]string{}, pair: map[string]string{},
		closed: map[mprog.Netns]bool{}, residents: map[mprog.Netns]int{},
	}
}

// resolve returns the number that a word stands for. The parser has made sure
// that it is a number or a declared name.
func resolve(word string, names map[string]uint32) uint32 {
	if n, ok := names[word]; ok {
		return n
	}
	n, err := trace.ParseNumber(word)
	if err != nil {
		return unboundFD
	}
	return n
}

// resolveID is resolve for an id, which may be given as one above another.
func (s *scope) resolveID(word string) uint32 {
	name, above, _ := trace.SplitID(word)
	return resolve(name, s.id) + above
}

// hookOf returns the hook that a word names.
func (s *scope) hookOf(word string) mprog.Hook {
	device, typ, _ := trace.SplitHook(word)
	if fd, ok := s.fd[device]; ok && typ.Cgroup() {
		return mprog.Hook{Ifindex: fd, Type: typ}
	}
	return mprog.Hook{Ifindex: resolve(device, s.ifindex), Type: typ}
}

// bind gives an fd a name, and what else is known of its object.
func (s *scope) bind(name string, fd uint32, object string) {
	s.fd[name] = fd
	if id, ok := s.id[object]; ok {
		s.id[name] = id
	}
	if h, ok := s.hook[object]; ok {
		s.hook[name] = h
	}
	if g, ok := s.made[object]; ok {
		s.made[name] = g
	}
}

// name returns what a number is called in the trace, or the number.
func name(names map[uint32]string, n uint32) string {
	if s, ok := names[n]; ok {
		return s
	}
	return strconv.FormatUint(uint64(n), 10)
}

// hookName writes a hook as the trace does.
func (s *scope) hookName(h mprog.Hook) string {
	for g, made := range s.made {
		if h.Type.Cgroup() && g == made && s.fd[g] == h.Ifindex {
			return g + ":" + h.Type.String()
		}
	}
	return name(s.device, h.Ifindex) + ":" + h.Type.String()
}

// entries names the programs and links of a query's answer.
func (s *scope) entries(progs, links []uint32) []trace.Entry {
	list := make([]trace.Entry, len(progs))
	for i, p := range progs {
		list[i].Prog = name(s.prog, p)
		if links != nil && links[i] != 0 {
			list[i].Link = name(s.link, links[i])
		}
	}
	return list
}
