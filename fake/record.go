package fake

import (
	"slices"
	"strconv"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// Record makes a kernel that keeps its calls and their answers; see
// [Kernel.Trace].
func Record() Option { return func(k *Kernel) { k.recording = true } }

// Trace returns the calls made so far and their answers, which is a scenario
// that other kernels can play. It is nil unless the kernel was made with [Record]
// or [NewT].
//
// What a trace cannot say is in it as a comment: calls that were made to fail
// (see [Kernel.Before]), and queries into arrays shorter than their count.
func (k *Kernel) Trace() *trace.File {
	k = k.kernel
	if r := k.remote(); r != nil {
		return r.Trace()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if w := k.watch.Load(); w != nil && w.log != nil {
		return w.log.file()
	}
	return nil
}

func (k *Kernel) startRecording() {
	if k.recording {
		k.rewatch(func(w *watch) { w.log = newRecorder(k) })
	}
}

// recorder writes a trace. The names in it are those that the trace declares.
type recorder struct {
	kernel *Kernel
	title  string
	lines  []trace.Line
	needs  []string

	progs     map[*program]bool
	links     map[*link]mprog.Hook // the hook it was created on; none if another namespace's
	fds       map[handle]string
	objects   map[string]mprog.Hook // the hook of the link that a name stands for
	ifindexes map[string]uint32     // by the device's name, as it was last
	devices   map[uint32]string     // the inverse
	pins      map[string]string     // by path: the name it was pinned by
	cgroups   map[uint64]string     // by id
	processes map[*Process]string
	netns     map[*netns]string
	made      map[string]int // how many names with a prefix were made up
}

// handle is an fd of a process.
type handle struct {
	table *fdTable
	fd    uint32
}

func newRecorder(k *Kernel) *recorder {
	return &recorder{
		kernel: k, title: "Calls on Linux " + k.Release() + ".",
		progs: map[*program]bool{}, links: map[*link]mprog.Hook{},
		fds: map[handle]string{}, objects: map[string]mprog.Hook{},
		ifindexes: map[string]uint32{"lo": 1}, devices: map[uint32]string{1: "lo"},
		pins: map[string]string{}, cgroups: map[uint64]string{}, processes: map[*Process]string{}, netns: map[*netns]string{},
		made: map[string]int{},
	}
}

// file returns the trace so far.
func (r *recorder) file() *trace.File {
	f := &trace.File{Lines: []trace.Line{{Comment: "# " + r.title}}}
	if len(r.needs) > 0 {
		f.Lines = append(f.Lines, trace.Line{Statement: &trace.Statement{Verb: "need", Operands: slices.Clone(r.needs)}})
	}
	f.Lines = append(f.Lines, r.lines...)
	return f
}

// need notes a feature that the trace relies on, or on the lack of which.
func (r *recorder) need(f mprog.Feature) {
	word := string(f)
	if r.kernel.missing[f] {
		word = "!" + word
	}
	if !slices.Contains(r.needs, word) {
		r.needs = append(r.needs, word)
	}
}

// needHook notes what a hook takes.
func (r *recorder) needHook(at mprog.AttachType) {
	switch {
	case at.TCX():
		r.need(mprog.FeatureTCX)
	case at.Netkit():
		r.need(mprog.FeatureNetkit)
	case at.Cgroup():
		r.need(mprog.FeatureCgroup)
		r.need(mprog.FeatureCgroupMprog)
	}
}

// invent makes a name up.
func (r *recorder) invent(prefix string) string {
	r.made[prefix]++
	name := prefix + strconv.Itoa(r.made[prefix])
	return r.kernel.names.claim(name, name)
}

// note writes a call down, with its answer.
func (r *recorder) note(c *Call, a any, err error) {
	s := &trace.Statement{}
	if name, ok := r.processes[c.Process]; ok {
		s.Process = name
	}
	errno, ok := mprog.ErrnoOf(err)
	said := r.say(s, c)
	switch q := c.Request.(type) { // names of devices are others here, and may be why it was refused
	case mprog.DeviceSpec:
		if errno != 0 && slices.Contains(s.Operands, unnamed) {
			said, s.Operands = false, []string{q.Name, q.Peer}[:len(s.Operands)]
		}
	case MoveRequest:
		said = said && errno != mprog.EEXIST
	}
	if !said || !ok {
		r.lines = append(r.lines, trace.Line{Comment: "# cannot be said: " + s.Call()})
		return
	}
	if errno == 0 {
		r.learn(s, c, a)
	}
	if o := r.outcome(s, c, a, errno); o.Errno != 0 || o.Fields != nil || o.Listed {
		s.Answer.Outcomes = []trace.Outcome{o}
	}
	line := trace.Line{Statement: s}
	if c.Process.rival {
		line.Comment = "# by a rival"
	}
	r.lines = append(r.lines, line)
}

// injected writes a call down that was made to fail.
func (r *recorder) injected(c *Call, at moment, err error) {
	r.kernel.mu.Lock()
	defer r.kernel.mu.Unlock()
	s := &trace.Statement{Process: r.processes[c.Process]}
	r.say(s, c)
	what := "# injected, not made: "
	if at == after {
		what = "# injected into the answer: "
	}
	r.lines = append(r.lines, trace.Line{Comment: what + s.Call() + ": " + err.Error()})
}
