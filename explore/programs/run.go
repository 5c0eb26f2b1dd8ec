// Package programs explores unmodified programs, of any language, on the simulated
// kernel: each run starts them anew, holds each of their calls of bpf(2) that has to
// do with hooks, links or pins, and decides who goes on, or is killed.
//
// A run costs the start of processes, a hundredth of a second or more, so that limits
// matter. Close(2), dup(2) and unlink(2) are not held: they happen when the program goes on
// to them.
package programs

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept"
	"github.com/nkconform/nkconform/mprog"
)

// Agent is a program.
type Agent struct {
	Name     string
	Command  string // as a shell reads it
	Crashes  int    // how often it may be killed
	Restarts bool   // it is started again then
}

// held are the operations at which programs are held.
var held = []mprog.Op{
	mprog.OpProgAttach, mprog.OpProgDetach, mprog.OpProgQuery, mprog.OpLinkCreate, mprog.OpLinkUpdate, mprog.OpLinkDetach,
	mprog.OpObjPin, mprog.OpObjGet, mprog.OpProgFDByID, mprog.OpLinkFDByID, mprog.OpProgNextID, mprog.OpLinkNextID,
}

// run is the programs on a kernel of their own, up to their end.
type run struct {
	*test
	kernel *fake.Kernel
	rival  *fake.Process // asks what nobody is to be told of
	hooks  []hook
	names  map[uint32]string // of programs, by id

	mu      sync.Mutex
	running map[int]int    // agents by pid
	threads map[uint32]int // agents by thread, or -1
	events  chan event
	over    chan struct{}
	seen    []*fake.Event // what the kernel was asked since
}

type hook struct {
	name string // nk0:primary
	mprog.Hook
}

// event is that an agent waits, or has ended.
type event struct {
	agent int
	call  *waiting // nil: it has ended
	cmd   *exec.Cmd
}

// waiting is a call that is held.
type waiting struct {
	op      mprog.Op
	request any
	hook    mprog.Hook
	release chan error
}

func (w *waiting) String() string {
	switch r := w.request.(type) {
	case mprog.PinRequest:
		return fmt.Sprintf("%s %s", w.op, r.Path)
	case mprog.GetRequest:
		return fmt.Sprintf("%s %s", w.op, r.Path)
	case mprog.IDRequest:
		return fmt.Sprintf("%s %d", w.op, r.ID)
	}
	return string(w.op)
}

// process is an agent's program.
type process struct {
	cmd     *exec.Cmd
	waiting []*waiting
	ended   bool
	idle    bool // it lives, and has made no call for a while
	crashes int
	calls   int
	history uint64
}

// newRun makes a kernel with devices.
func newRun(o *Options) (r *run, err error) {
	r = &run{
		test: &test{}, names: map[uint32]string{}, running: map[int]int{}, threads: map[uint32]int{},
		events: make(chan event, 64), over: make(chan struct{}),
	}
	defer r.catch(&err)
	opts := []fake.Option{fake.Allow(fake.LeakedFDs, fake.LeakedLinks, fake.LeakedPins)}
	r.kernel = intercept.NewT(r.test, append(opts, o.Kernel...)...)
	r.rival = r.kernel.Process.AsRival()
	for _, d := range o.Devices {
		ifindex, _ := r.kernel.Netkit(d[0], d[1])
		for _, at := range []mprog.AttachType{mprog.NetkitPrimary, mprog.NetkitPeer, mprog.TCXIngress, mprog.TCXEgress} {
			r.hooks = append(r.hooks, hook{d[0] + ":" + at.String(), mprog.Hook{Ifindex: ifindex, Type: at}})
		}
	}
	r.kernel.Before(fake.Match{When: r.holds}, r.hold)
	r.kernel.Observe(func(e *fake.Event) { r.seen = append(r.seen, e) })
	return r, nil
}

// holds chooses the calls that are held: of agents, and on what there is.
func (r *run) holds(c *fake.Call) bool {
	if !slices.Contains(held, c.Op) || r.agentOf(c.Process.Thread()) < 0 {
		return false
	}
	if c.Hook == (mprog.Hook{}) {
		return true
	}
	return slices.ContainsFunc(r.hooks, func(h hook) bool { return h.Ifindex == c.Hook.Ifindex })
}

// hold waits until the call is let through.
func (r *run) hold(c *fake.Call) error {
	w := &waiting{op: c.Op, request: c.Request, hook: c.Hook, release: make(chan error, 1)}
	select {
	case r.events <- event{agent: r.agentOf(c.Process.Thread()), call: w}:
	case <-r.over:
		return fake.Fail(mprog.EIO)(c)
	}
	select {
	case err := <-w.release:
		if err != nil {
			return fake.Fail(err)(c)
		}
		return nil
	case <-r.over:
		return fake.Fail(mprog.EIO)(c)
	}
}

// agentOf finds whose thread it is, or whose descendant's; below 0: no agent's.
func (r *run) agentOf(tid uint32) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if agent, known := r.threads[tid]; known {
		return agent
	}
	agent := -1
	for pid := int(status(int(tid), "Tgid:")); pid > 1; pid = int(status(pid, "PPid:")) {
		if a, ok := r.running[pid]; ok {
			agent = a
			break
		}
	}
	if agent >= 0 {
		r.threads[tid] = agent
	}
	return agent
}

// status reads a number from /proc.
func status(pid int, key string) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			return n
		}
	}
	return 0
}

// start starts an agent's program.
func (r *run) start(a *Agent, i int, output *output) (p *process, err error) {
	defer r.catch(&err)
	c := exec.Command("/bin/sh", "-c", "exec "+a.Command)
	c.Stdout, c.Stderr = output, output
	alone(c)
	r.mu.Lock() // a call that it makes at once waits until its pid is known
	intercept.Start(r.test, r.kernel, c)
	r.running[c.Process.Pid] = i
	r.mu.Unlock()
	go func() {
		_ = c.Wait() // how it ends is its business
		select {
		case r.events <- event{agent: i, cmd: c}:
		case <-r.over:
		}
	}()
	return &process{cmd: c}, nil
}

// longest is how many times so long a program may be busy without a call.
const longest = 60

// settle waits until an agent is held, has ended, or has made no call for so long and sleeps.
func (r *run) settle(agents []*process, i int, patience time.Duration) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for p, times := agents[i], 1; !p.ended && len(p.waiting) == 0; times++ {
		select {
		case e := <-r.events:
			r.take(agents, e)
		case <-timer.C:
			if times < longest && busy(p.cmd.Process.Pid) {
				timer.Reset(patience)
				continue
			}
			p.idle = true
			return
		}
	}
	agents[i].idle = false
}

func (r *run) take(agents []*process, e event) {
	p := agents[e.agent]
	switch {
	case e.call != nil:
		p.waiting = append(p.waiting, e.call)
	case p != nil && e.cmd == p.cmd:
		p.ended = true
	}
}

// end kills what is left, and ends the kernel.
func (r *run) end() {
	close(r.over)
	r.cleanUp()
}

// list asks for the names of the programs of a hook, and its revision.
func (r *run) list(h mprog.Hook) (progs []string, revision uint64, err error) {
	q := mprog.QueryRequest{
		TargetIfindex: h.Ifindex, AttachType: h.Type, Count: mprog.MaxPrograms + 1, ProgIDs: make([]uint32, mprog.MaxPrograms+1),
	}
	res, err := r.rival.ProgQuery(q)
	if err != nil {
		return nil, 0, err
	}
	for _, id := range q.ProgIDs[:res.Count] {
		progs = append(progs, r.name(id))
	}
	return progs, res.Revision, nil
}

// name asks for the name of a program.
func (r *run) name(id uint32) string {
	if name, known := r.names[id]; known {
		return name
	}
	name := strconv.FormatUint(uint64(id), 10)
	if fd, err := r.rival.ProgFDByID(mprog.IDRequest{ID: id}); err == nil {
		if info, err := r.rival.ObjectInfo(fd); err == nil && info.ProgName != "" {
			name = info.ProgName
		}
		_ = r.rival.Close(fd)
	}
	r.names[id] = name
	return name
}
