package sim

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// recorder writes what programs do to hooks as a trace, which other kernels can
// play: programs and links by names, whatever fds they had, and the state of the
// hook after every change.
type recorder struct {
	sim     *Sim
	home    uint64
	lines   []trace.Line
	names   map[Kind]map[uint32]string // of programs and links, by id
	devices map[uint32]string          // by ifindex
	hooks   map[uint32]recordedPlace   // of links
	open    map[Kind]map[uint32]int    // how many descriptions refer to one
	used    map[string]bool
	peers   map[string]string // of pairs, both ways
	fds     map[uint32]string // of programs that were opened again by id, by id
	// nameless says that the call in hand has an fd of a program or link that no
	// statement made.
	nameless bool
	needs    []string
	later    pending
	arrays   [2][hookRoom]uint32
	lookers  map[uint64]*fake.Process // who ask for the state of hooks, by network namespace
	away     map[awayKey]string       // devices in other network namespaces
	netns    map[uint64]string
	// Of other network namespaces: who lives there, and whose links are whose.
	processes  map[uint64]string
	owners     map[uint32]uint64
	namespaces int
	speaker    speaker
}

// recordedPlace is a hook in a network namespace.
type recordedPlace struct {
	netns uint64
	mprog.Hook
}

func newRecorder(s *Sim) *recorder {
	both := func() map[Kind]map[uint32]string { return map[Kind]map[uint32]string{Prog: {}, Link: {}} }
	return &recorder{
		sim: s, names: both(), devices: map[uint32]string{1: "lo"}, hooks: map[uint32]recordedPlace{},
		away: map[awayKey]string{}, netns: map[uint64]string{}, processes: map[uint64]string{}, owners: map[uint32]uint64{},
		lookers: map[uint64]*fake.Process{},
		open:    map[Kind]map[uint32]int{Prog: {}, Link: {}}, used: map[string]bool{"lo": true}, fds: map[uint32]string{}, peers: map[string]string{},
	}
}

// Trace returns what was recorded, nil if nothing was to be.
func (s *Sim) Trace() *trace.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.written()
	if r == nil {
		return nil
	}
	f := &trace.File{Lines: []trace.Line{{Comment: "# Recorded from a program."}}}
	if needs := r.needs; len(needs) > 0 {
		f.Lines = append(f.Lines, trace.Line{Statement: &trace.Statement{Verb: "need", Operands: slices.Clone(needs)}})
	}
	f.Lines = append(f.Lines, r.lines...)
	return f
}

func (r *recorder) add(s *trace.Statement) { r.lines = append(r.lines, trace.Line{Statement: s}) }

func (r *recorder) need(word string) {
	if !slices.Contains(r.needs, word) {
		r.needs = append(r.needs, word)
	}
}

// RecordPair notes a pair of netkit devices, or one without a peer.
func (s *Sim) RecordPair(netns uint64, name, peer string, index, peerIndex uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.written()
	if r == nil {
		return
	}
	name, peer = r.unused(name), r.unused(peer)
	if netns != r.home && trace.IsName(name) {
		defer func() { // which has made them in the first
			r.moveNew(netns, index, name)
			if peer != "" {
				r.moveNew(netns, peerIndex, peer)
			}
		}()
	}
	if peer == "" && trace.IsName(name) {
		r.need("netkit")
		r.need("single")
		r.used[name], r.devices[index] = true, name
		r.add(&trace.Statement{Verb: "netkit", Operands: []string{name}})
		return
	}
	if !trace.IsName(name) || !trace.IsName(peer) {
		r.lines = append(r.lines, trace.Line{Comment: fmt.Sprintf("# cannot be said: netkit %q %q", name, peer)})
		return
	}
	r.need("netkit")
	r.used[name], r.used[peer] = true, true
	r.devices[index], r.devices[peerIndex] = name, peer
	r.peers[name], r.peers[peer] = peer, name
	r.add(&trace.Statement{Verb: "netkit", Operands: []string{name, peer}})
}

// unused is a name for another device of a name, where a trace has each once.
func (r *recorder) unused(device string) string {
	if device == "" {
		return ""
	}
	return r.fresh(device)
}

// longestName is how long a name of a trace may be.
const longestName = 15

// fresh is a name that nothing has, made of another one.
func (r *recorder) fresh(name string) string {
	wish := name
	for i := 2; r.used[wish]; i++ {
		end := "x" + strconv.Itoa(i)
		wish = name[:min(len(name), longestName-len(end))] + end
	}
	return wish
}

// claim makes a name for a program or link.
func (r *recorder) claim(kind Kind, id uint32, wish string) string {
	prefix := map[Kind]string{Prog: "p", Link: "l"}[kind]
	if !trace.IsName(wish) || r.used[wish] {
		wish = prefix + strconv.Itoa(int(id))
	}
	wish = r.fresh(wish)
	r.used[wish] = true
	r.names[kind][id] = wish
	return wish
}

// program notes a program that was loaded.
func (r *recorder) program(o *Object, spec mprog.ProgSpec) {
	if r == nil {
		return
	}
	switch spec.Type {
	case mprog.SchedCLS, mprog.SocketFilter, mprog.XDP:
	default:
		return // a trace has no such programs
	}
	s := &trace.Statement{Verb: "prog", Operands: []string{r.claim(Prog, o.ID, spec.Name)}}
	if spec.Type != mprog.SchedCLS {
		s.Params = append(s.Params, trace.Param{Key: "type", Value: trace.FormatProgType(spec.Type)})
	}
	r.add(s)
}

// opened and closed count the references that user space has.
func (r *recorder) opened(o *Object) {
	if r == nil || o.Kind > Link {
		return
	}
	r.open[o.Kind][o.ID]++
	if name := r.names[o.Kind][o.ID]; name != "" && o.Kind == Prog && r.open[Prog][o.ID] == 1 {
		again := r.fresh(name)
		r.used[again], r.fds[o.ID] = true, again
		r.add(&trace.Statement{Verb: "prog-fd", Operands: []string{again, name}})
	}
}

func (r *recorder) closed(o *Object) {
	if r == nil || o.Kind > Link {
		return
	}
	if r.open[o.Kind][o.ID]--; r.open[o.Kind][o.ID] > 0 {
		return
	}
	name := r.fdOf(o)
	if name == "" {
		return
	}
	s := &trace.Statement{Verb: "close", Operands: []string{name}}
	r.speaker = speaker{netns: r.home}
	if o.Kind == Link {
		r.speakFor(o.ID)
		if h, ok := r.hooks[o.ID]; ok {
			r.state(s, h)
		}
	}
	r.say(s)
}

// fd returns the word for a caller's fd. One that is not open, or no program or
// link, keeps being that.
func (r *recorder) fd(c Caller, fd uint32) string {
	o, open := c.Object(fd)
	switch {
	case !open:
		return "99999"
	case o == nil || o.Kind > Link:
		return "1"
	case r.names[o.Kind][o.ID] == "": // of another namespace, or of a type that a trace does not have
		r.nameless = true
		return "1"
	}
	return r.borrow(o)
}

// fdOf is the name of an object's fd, empty if it has none: that by which it was
// opened last.
func (r *recorder) fdOf(o *Object) string {
	if again := r.fds[o.ID]; again != "" && o.Kind == Prog {
		return again
	}
	return r.names[o.Kind][o.ID]
}

// device returns the word for an ifindex where the speaker is.
func (r *recorder) device(ifindex uint32) string {
	netns := r.speaker.netns
	name := r.away[awayKey{netns, ifindex}]
	if netns == r.home {
		name = r.devices[ifindex]
	} else if ifindex == loopback {
		name = "lo"
	}
	if name != "" {
		return name
	}
	if device, ok := r.sim.mirroredNames[awayKey{netns, ifindex}]; ok && trace.IsName(device) {
		device = r.fresh(device)
		r.used[device], r.devices[ifindex] = true, device
		r.add(&trace.Statement{Verb: "device", Operands: []string{device}})
		if netns != r.home {
			r.moveNew(netns, ifindex, device)
		}
		return device
	}
	if ifindex != 0 && ifindex <= highestIfindex { // where the trace is played it may be another's
		r.nameless = true
	}
	return strconv.FormatUint(uint64(ifindex), 10)
}

// moveNew moves a device that a statement has made in the first namespace.
func (r *recorder) moveNew(netns uint64, ifindex uint32, name string) {
	r.add(&trace.Statement{Verb: "move", Operands: []string{name, r.namespace(netns)}})
	if r.devices[ifindex] == name {
		delete(r.devices, ifindex)
	}
	r.away[awayKey{netns, ifindex}] = name
}

// highestIfindex is more than a device has where traces are played.
const highestIfindex = 1 << 20

// hook returns the word for a hook.
func (r *recorder) hook(h mprog.Hook) string {
	switch {
	case h.Type.TCX():
		r.need("tcx")
	case h.Type.Netkit():
		r.need("netkit")
	}
	return r.device(h.Ifindex) + ":" + h.Type.String()
}

// state writes down what a hook is like.
func (r *recorder) state(s *trace.Statement, h recordedPlace) {
	k := pendingCall{hook: h}
	r.observe(&k)
	r.listed(s, &k)
}

// listed writes down what a hook was like.
func (r *recorder) listed(s *trace.Statement, k *pendingCall) {
	if !k.known {
		return
	}
	o := trace.Outcome{Listed: true, Fields: []trace.Field{{Name: "revision", Value: strconv.FormatUint(k.revision, 10)}}}
	progs, links := r.later.ids[k.at:k.at+k.n], r.later.ids[k.at+k.n:k.at+2*k.n]
	for i := range progs {
		e := trace.Entry{Prog: r.names[Prog][progs[i]], Link: r.names[Link][links[i]]}
		if e.Prog == "" || links[i] != 0 && e.Link == "" {
			return // what the trace does not know, it cannot expect
		}
		o.List = append(o.List, e)
	}
	s.Answer.Outcomes = []trace.Outcome{o}
}

// change writes a call that changes a hook, or was refused.
func (r *recorder) change(s *trace.Statement, k *pendingCall) {
	defer r.giveBack()
	if r.nameless {
		r.comment("cannot be said: %s of what has no name here", s.Verb)
		r.nameless = false
		return
	}
	var refusal *mprog.Error
	switch errno, answered := mprog.ErrnoOf(k.err); {
	case k.err == nil:
		r.listed(s, k)
	case !answered:
		r.comment("cannot be said: %s: %v", s.Call(), k.err)
		return
	case errors.As(k.err, &refusal) && strings.HasPrefix(string(refusal.Rule), "capability/"):
		r.comment("by a caller without capabilities: %s ! %v", s.Call(), errno)
		return
	default:
		s.Answer.Outcomes = []trace.Outcome{{Errno: errno}}
	}
	r.say(s)
}

func param(s *trace.Statement, key, value string) {
	s.Params = append(s.Params, trace.Param{Key: key, Value: value})
}

// position writes the parameters that say where.
func (r *recorder) position(s *trace.Statement, c Caller, flags mprog.Flags, relative uint32, revision uint64, size uint32) {
	if flags != 0 {
		param(s, "flags", flags.String())
	}
	if relative != 0 {
		key, word := "relative_fd", r.fd(c, relative)
		if flags&mprog.ID != 0 {
			kind := Prog
			if flags&mprog.Link != 0 {
				kind = Link
			}
			if key, word = "relative_id", r.names[kind][relative]; word == "" {
				word = strconv.FormatUint(uint64(relative), 10)
			}
		}
		param(s, key, word)
	}
	if revision != 0 {
		param(s, "expected_revision", strconv.FormatUint(revision, 10))
	}
	if size != 0 {
		param(s, "size", strconv.FormatUint(uint64(size), 10))
	}
}
