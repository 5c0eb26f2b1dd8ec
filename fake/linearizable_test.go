package fake_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// opKind is a command; in an input, what is done to the one hook.
type opKind int

const (
	opAttach opKind = iota
	opReplace
	opDetach
	opQuery
	opCreate
	opUpdate
	opLinkDetach
	opClose
	opKinds
)

var opNames = [opKinds]string{"attach", "replace", "detach", "query", "create", "update", "link detach", "close"}

// input is a call. Programs are numbers from 1, links their fds.
type input struct {
	op       opKind
	prog     int
	flags    mprog.Flags // Before, After or 0
	relative int         // of Before and After, or what is replaced; 0: nothing
	revision uint64
	link     uint32
}

// output is the answer: an errno, the link that was made, what a query saw.
type output struct {
	errno    mprog.Errno
	link, id uint32
	revision uint64
	list     string
}

// hookModel is one netkit hook and the links that are open, in the simplest
// words: a list and a number. It knows nothing of the package that it is about.
type hookModel struct {
	revision uint64
	list     []modelEntry
	links    []modelLink // by fd
}

type modelEntry struct {
	prog int
	id   uint32 // of the link, or 0
}

type modelLink struct {
	fd, id   uint32
	prog     int
	attached bool
}

func (m hookModel) equal(n hookModel) bool {
	return m.revision == n.revision && slices.Equal(m.list, n.list) && slices.Equal(m.links, n.links)
}

const (
	linClients = 4
	linOps     = 150 // of each client
	linProgs   = 4
)

func (m *hookModel) find(prog int) int {
	return slices.IndexFunc(m.list, func(e modelEntry) bool { return e.prog == prog })
}

// insert adds a program in front of, or behind, another one, or at an end.
func (m *hookModel) insert(in input, id uint32) mprog.Errno {
	if in.revision != 0 && in.revision != m.revision {
		return mprog.ESTALE
	}
	if m.find(in.prog) >= 0 {
		return mprog.EEXIST
	}
	at := len(m.list)
	if in.flags == mprog.Before {
		at = 0
	}
	if in.relative != 0 {
		if at = m.find(in.relative); at < 0 {
			return mprog.ENOENT
		}
		if in.flags == mprog.After {
			at++
		}
	}
	m.list = slices.Insert(m.list, at, modelEntry{in.prog, id})
	m.revision++
	return 0
}

func (m *hookModel) remove(at int) {
	m.list = slices.Delete(m.list, at, at+1)
	m.revision++
}

// named finds a program that was attached without a link.
func (m *hookModel) named(prog int) (int, mprog.Errno) {
	at := m.find(prog)
	switch {
	case at < 0:
		return 0, mprog.ENOENT
	case m.list[at].id != 0:
		return 0, mprog.EBUSY
	}
	return at, 0
}

func (m *hookModel) replace(in input) mprog.Errno {
	if in.revision != 0 && in.revision != m.revision {
		return mprog.ESTALE
	}
	if m.find(in.prog) >= 0 {
		return mprog.EEXIST
	}
	at, errno := m.named(in.relative)
	if errno == 0 {
		m.list[at].prog = in.prog
		m.revision++
	}
	return errno
}

func (m *hookModel) detach(in input) mprog.Errno {
	if len(m.list) == 0 {
		return mprog.ENOENT
	}
	if in.revision != 0 && in.revision != m.revision {
		return mprog.ESTALE
	}
	at, errno := m.named(in.prog)
	if errno == 0 {
		m.remove(at)
	}
	return errno
}

func (m *hookModel) link(in input) mprog.Errno {
	i := slices.IndexFunc(m.links, func(l modelLink) bool { return l.fd == in.link })
	if i < 0 {
		return mprog.EBADF
	}
	l := &m.links[i]
	if in.op == opUpdate {
		switch {
		case !l.attached:
			return mprog.ENOLINK
		case l.prog == in.prog:
			return 0
		case m.find(in.prog) >= 0:
			return mprog.EEXIST
		}
		m.list[m.find(l.prog)].prog = in.prog
		l.prog = in.prog
		m.revision++
		return 0
	}
	if l.attached {
		m.remove(m.find(l.prog))
		l.attached = false
	}
	if in.op == opClose {
		m.links = slices.Delete(m.links, i, i+1)
	}
	return 0
}

// step says whether a hook may give this answer, and what it is like afterwards.
func step(m hookModel, in input, out output) (bool, hookModel) {
	m.list, m.links = slices.Clone(m.list), slices.Clone(m.links)
	want := output{link: out.link, id: out.id} // these two are free
	switch in.op {
	case opAttach:
		want.errno = m.insert(in, 0)
	case opReplace:
		want.errno = m.replace(in)
	case opDetach:
		want.errno = m.detach(in)
	case opQuery:
		want.list, want.revision = fmt.Sprint(m.list), m.revision
		if len(m.list) == 0 {
			want.revision = 1
		}
	case opCreate:
		if want.errno = m.insert(in, out.id); want.errno == 0 {
			m.links = append(m.links, modelLink{out.link, out.id, in.prog, true})
			slices.SortFunc(m.links, func(a, b modelLink) int { return int(a.fd) - int(b.fd) })
		}
	default:
		want.errno = m.link(in)
	}
	return out == want, m
}

var linearizability = porcupine.Model{
	Init: func() any { return hookModel{revision: 1} },
	Step: func(state, in, out any) (bool, any) {
		return step(state.(hookModel), in.(input), out.(output))
	},
	Equal: func(a, b any) bool { return a.(hookModel).equal(b.(hookModel)) },
	DescribeOperation: func(in, out any) string {
		return fmt.Sprintf("%s %+v: %+v", opNames[in.(input).op], in, out)
	},
}

// agents are clients of one fake that work on one hook.
type agents struct {
	k     *fake.Kernel
	at    mprog.AttachRequest
	progs [linProgs + 1]uint32 // fds
	names map[uint32]int       // program ids
	fds   chan uint32          // links that anybody may use, closed or not
	start time.Time
}

func newAgents(t *testing.T) *agents {
	a := &agents{names: map[uint32]int{}, fds: make(chan uint32, linClients*linOps), start: time.Now()}
	a.k, a.at = hooked(t)
	for i := range linProgs {
		fd, err := a.k.LoadProg(mprog.ProgSpec{})
		if err != nil {
			t.Fatal(err)
		}
		info, err := a.k.ObjectInfo(fd)
		if err != nil {
			t.Fatal(err)
		}
		a.progs[i+1], a.names[info.ID] = fd, i+1
	}
	return a
}

func (a *agents) choose(rng *rand.Rand) input {
	in := input{op: opKind(rng.IntN(int(opKinds))), prog: 1 + rng.IntN(linProgs)}
	switch in.op {
	case opAttach, opCreate:
		in.flags = []mprog.Flags{0, mprog.Before, mprog.After}[rng.IntN(3)]
		if in.flags != 0 {
			in.relative = rng.IntN(linProgs + 1)
		}
	case opReplace:
		in.relative = 1 + rng.IntN(linProgs)
	case opUpdate, opLinkDetach, opClose:
		select {
		case in.link = <-a.fds:
			if in.op != opClose || rng.IntN(4) == 0 {
				a.fds <- in.link // to be used again, maybe after it was closed
			}
		default:
			in.link = 1 << 20 // never open
		}
	}
	if (in.op == opAttach || in.op == opReplace || in.op == opDetach || in.op == opCreate) && rng.IntN(3) == 0 {
		in.revision = 1 + rng.Uint64N(2*linOps)
	}
	return in
}

func (a *agents) call(in input) (out output) {
	at := a.at
	at.AttachFD, at.Flags, at.ExpectedRevision = a.progs[in.prog], in.flags, in.revision
	if in.relative != 0 {
		at.Relative = a.progs[in.relative]
	}
	var err error
	switch in.op {
	case opAttach:
		err = a.k.ProgAttach(at)
	case opReplace:
		at.Flags, at.ReplaceFD, at.Relative = mprog.Replace, at.Relative, 0
		err = a.k.ProgAttach(at)
	case opDetach:
		err = a.k.ProgDetach(mprog.DetachRequest(at))
	case opQuery:
		out, err = a.query()
	case opCreate:
		out.link, err = a.k.LinkCreate(mprog.LinkCreateRequest{
			ProgFD: at.AttachFD, TargetIfindex: at.TargetIfindex, AttachType: at.AttachType,
			Flags: at.Flags, Relative: at.Relative, ExpectedRevision: at.ExpectedRevision,
		})
	case opUpdate:
		err = a.k.LinkUpdate(mprog.LinkUpdateRequest{LinkFD: in.link, NewProgFD: at.AttachFD})
	case opLinkDetach:
		err = a.k.LinkDetach(mprog.LinkDetachRequest{LinkFD: in.link})
	case opClose:
		err = a.k.Close(in.link)
	}
	if out.errno, _ = mprog.ErrnoOf(err); err != nil && out.errno == 0 {
		panic(err)
	}
	return out
}

func (a *agents) query() (out output, err error) {
	var progs, links [linProgs]uint32
	res, err := a.k.ProgQuery(mprog.QueryRequest{
		TargetIfindex: a.at.TargetIfindex, AttachType: a.at.AttachType,
		Count: linProgs, ProgIDs: progs[:], LinkIDs: links[:],
	})
	var list []modelEntry
	for i := range min(int(res.Count), linProgs) {
		list = append(list, modelEntry{a.names[progs[i]], links[i]})
	}
	return output{revision: res.Revision, list: fmt.Sprint(list)}, err
}

// run has clients make calls at once and returns what they saw. Clocks, and not a
// shared counter, order the calls: a counter would order the memory that the
// race detector watches, too.
func (a *agents) run(clients int, seed uint64) []porcupine.Operation {
	histories := make([][]porcupine.Operation, clients)
	var ready, done sync.WaitGroup
	ready.Add(clients)
	for client := range clients {
		done.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(client)))
			ready.Done()
			ready.Wait()
			for range linOps {
				in := a.choose(rng)
				op := porcupine.Operation{ClientId: client, Input: in, Call: int64(time.Since(a.start))}
				out := a.call(in)
				op.Return = int64(time.Since(a.start))
				if in.op == opCreate && out.errno == 0 {
					info, _ := a.k.ObjectInfo(out.link) // nobody else knows this fd yet
					out.id = info.ID
					a.fds <- out.link
				}
				op.Output = out
				histories[client] = append(histories[client], op)
				if rng.IntN(4) == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	done.Wait()
	return slices.Concat(histories...)
}

// overlaps counts the calls that another client's call overlaps.
func overlaps(history []porcupine.Operation) (n int) {
	for _, a := range history {
		if slices.ContainsFunc(history, func(b porcupine.Operation) bool {
			return a.ClientId != b.ClientId && a.Call <= b.Return && b.Call <= a.Return
		}) {
			n++
		}
	}
	return n
}

// linSeed is NKCONFORM_SEED, or a random number.
func linSeed(t *testing.T) uint64 {
	seed := rand.Uint64()
	if s, ok := os.LookupEnv("NKCONFORM_SEED"); ok {
		var err error
		if seed, err = strconv.ParseUint(s, 0, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("NKCONFORM_SEED=%d", seed)
	return seed
}

// What clients see of calls that they make at the same time is what they would
// see of the same calls in some order.
func TestLinearizable(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the clock is too coarse to say which call came first")
	}
	seed := linSeed(t)
	rounds := 100
	if testing.Short() {
		rounds = 10
	}
	total, overlapping := 0, 0
	for round := range uint64(rounds) {
		history := newAgents(t).run(linClients, seed+round)
		total += len(history)
		overlapping += overlaps(history)
		if result, info := porcupine.CheckOperationsVerbose(linearizability, history, time.Minute); result != porcupine.Ok {
			explain(t, history, info)
			t.Fatalf("round %d (NKCONFORM_SEED=%d): %s: there is no such order", round, seed+round, result)
		}
	}
	t.Logf("%d calls, %d of them at the same time as another client's", total, overlapping)
	if overlapping == 0 && runtime.GOMAXPROCS(0) > 1 {
		t.Error("no calls overlapped, so that nothing is proven")
	}
}

// explain prints a history, and leaves a picture of it in the directory that
// NKCONFORM_PICTURES names.
func explain(t *testing.T, history []porcupine.Operation, info porcupine.LinearizationInfo) {
	slices.SortFunc(history, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	for _, op := range history {
		t.Logf("client %d [%d, %d] %s", op.ClientId, op.Call, op.Return, linearizability.DescribeOperation(op.Input, op.Output))
	}
	if dir := os.Getenv("NKCONFORM_PICTURES"); dir != "" {
		err := porcupine.VisualizePath(linearizability, info, dir+"/history.html")
		t.Log(errors.Join(err))
	}
}

// One wrong answer among the true answers to one client is found, whichever it is.
func TestLinearizableDetects(t *testing.T) {
	seed := linSeed(t)
	history := newAgents(t).run(1, seed)
	for i := range history {
		history[i].Call, history[i].Return = int64(2*i), int64(2*i+1) // however coarse the clock is
	}
	for i, op := range history {
		wrong := op.Output.(output)
		switch {
		case op.Input.(input).op == opQuery:
			wrong.revision += 1000
		case wrong.errno == 0:
			wrong.errno = mprog.EIO
		default:
			wrong.errno = 0
		}
		corrupted := slices.Clone(history)
		corrupted[i].Output = wrong
		if porcupine.CheckOperations(linearizability, corrupted) {
			t.Errorf("NKCONFORM_SEED=%d: call %d, %s, was believed", seed, i, linearizability.DescribeOperation(op.Input, wrong))
		}
	}
}
