//go:build amd64 || arm64

package intercept

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/fuse"
	"github.com/nkconform/nkconform/intercept/sim"
)

// tracefs is what programs find at /sys/kernel/tracing: the tracepoints with ids of
// their own, and kprobe_events and uprobe_events, by which probes become events.
// Nothing is traced.
type tracefs struct {
	root    *fuse.Node
	points  func() []string // of the release, whose ids are firstTracepoint and so on
	symbols *symbols
	// exists says why probes cannot be put into a file.
	exists func(path string) syscall.Errno
	warn   func(string) // of what is not known; nil: nobody is told

	mu     sync.Mutex
	events *fuse.Node
	probes map[uint32]*probe // events by id
	last   uint32
}

const (
	firstTracepoint = 100
	firstProbe      = 10000
)

// probe is an event of kprobe_events or uprobe_events.
type probe struct {
	group, name string
	event       sim.PerfEvent
	line        string // as it was made
	notes       string // what it is to note when it is hit
}

func newTracefs(r fake.Release, symbols *symbols) *tracefs {
	t := &tracefs{root: fuse.Folder(), symbols: symbols, probes: make(map[uint32]*probe), last: firstProbe - 1}
	t.points = sync.OnceValue(func() []string { return tracepointsOf(r) })
	t.events = fuse.Folder()
	t.events.Fill = func(*fuse.Node) { t.fill(r) }
	t.root.Add("events", t.events)
	t.root.Add("available_events", &fuse.Node{Read: func() []byte {
		return []byte(strings.ReplaceAll(strings.Join(t.points(), "\n"), "/", ":") + "\n")
	}})
	t.root.Add("available_filter_functions", &fuse.Node{Read: symbols.functions})
	t.root.Add("kprobe_events", t.probeFile(false))
	t.root.Add("uprobe_events", t.probeFile(true))
	for name, content := range map[string]string{
		"available_tracers": "nop\n", "current_tracer": "nop\n", "trace": "# tracer: nop\n", "trace_pipe": "", "tracing_on": "1\n",
		"trace_clock": "[local] global counter uptime perf mono mono_raw boot tai x86-tsc\n",
	} {
		t.root.Add(name, &fuse.Node{Read: func() []byte { return []byte(content) }})
	}
	return t
}

// fill makes the folders of tracepoints.
func (t *tracefs) fill(r fake.Release) {
	for i, point := range t.points() {
		system, name, _ := strings.Cut(point, "/")
		id := firstTracepoint + uint32(i)
		t.addEvent(system, name, id, func() string {
			text, recorded := formatOf(r, point, id)
			if !recorded && t.warn != nil {
				t.warn(fmt.Sprintf("format of tracepoint %s: not known: empty", point))
				return ""
			}
			return text
		})
	}
}

// addEvent makes the folder of an event.
func (t *tracefs) addEvent(system, name string, id uint32, format func() string) {
	folder := t.events.Child(system)
	if folder == nil {
		folder = t.events.Add(system, fuse.Folder())
	}
	event := folder.Add(name, fuse.Folder())
	event.Add("id", &fuse.Node{Read: func() []byte { return fmt.Appendf(nil, "%d\n", id) }})
	event.Add("format", &fuse.Node{Read: func() []byte { return []byte(format()) }})
	event.Add("enable", &fuse.Node{Read: func() []byte { return []byte("0\n") }})
	event.Add("filter", &fuse.Node{Read: func() []byte { return []byte("none\n") }})
}

// Event is what an id stands for, false if nothing.
func (t *tracefs) Event(id uint32) (e sim.PerfEvent, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.probes[id]; p != nil {
		return p.event, true
	}
	points := t.points()
	if at := int(id) - firstTracepoint; at >= 0 && at < len(points) {
		return sim.PerfEvent{Kind: sim.PerfTracepoint, Name: points[at]}, true
	}
	return e, false
}

// probeFile is kprobe_events, or uprobe_events if of files.
func (t *tracefs) probeFile(ofFiles bool) *fuse.Node {
	return &fuse.Node{
		Read: func() []byte {
			t.mu.Lock()
			defer t.mu.Unlock()
			var lines []string
			for _, p := range t.probes {
				if p.ofFile() == ofFiles {
					lines = append(lines, p.line+"\n")
				}
			}
			slices.Sort(lines)
			return []byte(strings.Join(lines, ""))
		},
		Write: func(text []byte) syscall.Errno {
			for line := range strings.Lines(string(text)) {
				if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
					continue
				}
				if errno := t.command(line, ofFiles); errno != 0 {
					return errno
				}
			}
			return 0
		},
	}
}

func (p *probe) ofFile() bool {
	return p.event.Kind == sim.PerfUprobe || p.event.Kind == sim.PerfUretprobe
}

// A command makes or removes an event: the kind with the number of instances, its
// group and name, what it is of, and what it notes. See
// Documentation/trace/kprobetrace.rst and uprobetracer.rst.
var (
	probeCommand = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^([pr])([0-9]*)(?::(?:([A-Za-z_][A-Za-z0-9_-]*)/)?([A-Za-z_][A-Za-z0-9_-]*))?\s+(\S+)`)
	})
	probeRemoval = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^-:(?:([A-Za-z_][A-Za-z0-9_-]*)/)?([A-Za-z_][A-Za-z0-9_-]*)\s*$`)
	})
	probeSymbol = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(?:[A-Za-z0-9_]+:)?([A-Za-z_.][A-Za-z0-9_.$]*)(?:\+(0x[0-9a-fA-F]+|[0-9]+))?$`)
	})
	probePlace = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(/.*):(0x[0-9a-fA-F]+|[0-9]+)(?:\((0x[0-9a-fA-F]+|[0-9]+)\))?$`)
	})
)

// command carries a line out.
func (t *tracefs) command(line string, ofFiles bool) syscall.Errno {
	group := "kprobes"
	if ofFiles {
		group = "uprobes"
	}
	if m := probeRemoval().FindStringSubmatch(line); m != nil {
		if m[1] != "" {
			group = m[1]
		}
		return t.remove(group, m[2])
	}
	m := probeCommand().FindStringSubmatch(line)
	if m == nil || m[2] != "" && m[1] == "p" {
		return syscall.EINVAL
	}
	p := &probe{group: m[3], name: m[4], line: line, notes: strings.TrimSpace(line[len(m[0]):])}
	if p.group == "" {
		p.group = group
	}
	var errno syscall.Errno
	if ofFiles {
		errno = t.place(p, m[1] == "r", m[5])
	} else {
		errno = t.symbol(p, m[1] == "r", m[5])
	}
	if errno != 0 {
		return errno
	}
	return t.add(p)
}

// symbol reads what a kprobe is of.
func (t *tracefs) symbol(p *probe, returns bool, what string) syscall.Errno {
	m := probeSymbol().FindStringSubmatch(what)
	if m == nil {
		return syscall.EINVAL
	}
	offset, _ := strconv.ParseUint(m[2], 0, 64)
	p.event = sim.PerfEvent{Kind: sim.PerfKprobe, Name: m[1], Offset: offset}
	if returns {
		p.event.Kind = sim.PerfKretprobe
	}
	if p.name == "" {
		p.name = fmt.Sprintf("p_%s_%d", m[1], offset)
	}
	address, known := t.symbols.Function(m[1])
	switch {
	case !known:
		return syscall.ENOENT
	case returns && offset != 0:
		return syscall.EINVAL
	}
	p.event.Address = address
	return 0
}

// place reads what a uprobe is of.
func (t *tracefs) place(p *probe, returns bool, what string) syscall.Errno {
	m := probePlace().FindStringSubmatch(what)
	if m == nil {
		return syscall.EINVAL
	}
	offset, err := strconv.ParseUint(m[2], 0, 64)
	if err != nil {
		return syscall.EINVAL
	}
	p.event = sim.PerfEvent{Kind: sim.PerfUprobe, Name: m[1], Offset: offset}
	p.event.Semaphore, _ = strconv.ParseUint(m[3], 0, 64)
	if returns {
		p.event.Kind = sim.PerfUretprobe
	}
	if p.name == "" {
		p.name = fmt.Sprintf("p_%s_%#x", m[1][strings.LastIndexByte(m[1], '/')+1:], offset)
	}
	if t.exists == nil {
		return 0
	}
	return t.exists(m[1])
}

// add makes an event, whose name nobody may have.
func (t *tracefs) add(p *probe) syscall.Errno {
	if folder := t.events.Child(p.group); folder != nil && folder.Child(p.name) != nil {
		return syscall.EEXIST
	}
	t.mu.Lock()
	t.last++
	id := t.last
	t.probes[id] = p
	t.mu.Unlock()
	t.addEvent(p.group, p.name, id, func() string {
		if p.notes != "" && t.warn != nil {
			t.warn(fmt.Sprintf("format of event %s/%s: what it notes is not among it", p.group, p.name))
		}
		return probeFormat(p.name, id, p.event.Kind)
	})
	return 0
}

// remove removes an event.
func (t *tracefs) remove(group, name string) syscall.Errno {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, p := range t.probes {
		if p.group != group || p.name != name {
			continue
		}
		delete(t.probes, id)
		folder := t.events.Child(group)
		folder.Remove(name)
		if len(folder.Names()) == 0 {
			t.events.Remove(group)
		}
		return 0
	}
	return syscall.ENOENT
}
