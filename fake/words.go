package fake

import (
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

func decimal(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

func param(s *trace.Statement, key, value string) {
	s.Params = append(s.Params, trace.Param{Key: key, Value: value})
}

// number adds a parameter unless it is 0.
func number(s *trace.Statement, key string, n uint32) {
	if n != 0 {
		param(s, key, decimal(n))
	}
}

func flags(s *trace.Statement, f mprog.Flags) {
	if f != 0 {
		param(s, "flags", f.String())
	}
}

func shape(s *trace.Statement, q mprog.Shape) {
	number(s, "size", q.Size)
	number(s, "junk", q.Junk)
}

// saidPath reports whether a path can stand in a trace.
func saidPath(path string) bool {
	return strings.HasPrefix(path, "/") && !strings.ContainsAny(path, " \t\r\n#[]")
}

// device returns the word for an ifindex.
func (r *recorder) device(ifindex uint32) string {
	if name, ok := r.devices[ifindex]; ok && r.ifindexes[name] == ifindex {
		return name
	}
	return decimal(ifindex)
}

// hook returns the word for a hook, of a device or of a cgroup that is named by an fd.
func (r *recorder) hook(table *fdTable, ifindex uint32, at mprog.AttachType) string {
	if at.Cgroup() {
		return r.fd(table, ifindex) + ":" + at.String()
	}
	return r.device(ifindex) + ":" + at.String()
}

// fd returns the word for an fd.
func (r *recorder) fd(table *fdTable, fd uint32) string {
	if name, ok := r.fds[handle{table, fd}]; ok {
		return name
	}
	return decimal(fd)
}

// progID and linkID return the words for ids.
func (r *recorder) progID(id uint32) string {
	if p := r.kernel.progs[id]; p != nil && r.progs[p] {
		return p.label()
	}
	return decimal(id)
}

func (r *recorder) linkID(id uint32) string {
	if l := r.kernel.links[id]; l != nil {
		if _, declared := r.links[l]; declared {
			return l.label()
		}
	}
	return decimal(id)
}

// relative writes what attach, detach and link say alike.
func (r *recorder) relative(s *trace.Statement, table *fdTable, f mprog.Flags, relative uint32, revision uint64) {
	flags(s, f)
	switch {
	case relative == 0:
	case f&mprog.ID == 0:
		param(s, "relative_fd", r.fd(table, relative))
	case f&mprog.Link != 0:
		param(s, "relative_id", r.linkID(relative))
	default:
		param(s, "relative_id", r.progID(relative))
	}
	if revision != 0 {
		param(s, "expected_revision", strconv.FormatUint(revision, 10))
	}
}
