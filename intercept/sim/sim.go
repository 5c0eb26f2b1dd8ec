package sim

import (
	"math/rand/v2"
	"sync"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/mprog"
)

// Sim answers bpf(2) for any number of processes. It is safe for concurrent
// use.
type Sim struct {
	mu      sync.Mutex
	kernel  *fake.Kernel
	holder  *fake.Process // holds what open file descriptions and pins refer to
	callers map[callerKey]*fake.Process
	guests  []*fake.Process // all that stand or stood for callers

	maps          registry[*bpfMap]
	btfs          registry[*btf]
	programs      map[uint32]*program // by id
	pins          map[PinKey]*Object
	mirroredNames map[awayKey]string  // for who records
	mirrored      map[uint64][]uint32 // ifindexes of the running kernel's devices, by namespace

	cpus     int
	faults   []*armed
	verdicts map[string]int32
	cookies  uint64 // of sockets of test runs
	now      func() uint64
	after    func(nanoseconds uint64, f func())
	timers   machine.Timers
	random   *rand.Rand
	warn     func(string)
	facts    machine.Facts
	release  fake.Facts // of the kernel's
	// permissions are read when the first program is loaded.
	permissions func() (*permissions, error)
	types       func() (*typeFacts, error)
	trace       func(string)
	record      *recorder // nil: nobody wants it
	memory      func(size int) (Memory, error)

	meanwhile func(do func())

	inert map[uint32]*inertLink // links of kinds that are not modelled, by id
	// registered are the operations that the kernel would use, and their names.
	registered map[*bpfMap]string
	cgroups    map[cgroupKey]*cgroupHook
	places     map[placeKey]*hookPlace
	refused    map[string]mprog.Errno // kinds of attachments that the user wants refused
	symbols    Symbols

	inHand  call
	attr    [pageSize]byte      // of the call in hand
	arrays  [4][hookRoom]uint32 // of the query in hand
	explain bool

	// The last caller's key, and who stands for it.
	lastKey     callerKey
	lastStandIn *fake.Process
}

// Options change what [New] makes. The zero value is for a caller like any.
type Options struct {
	CPUs int // possible CPUs, of which values of per-CPU maps have one each; 0: one
	// Memory makes the memory behind maps that programs can map. Nil: they
	// cannot.
	Memory func(size int) (Memory, error)
	// Fail says which calls fail for no reason; see [ParseFault].
	Fail []Fault
	// Warn is told, in a line without its end, of each program that cannot be run
	// to its end, once. Nil: nobody is.
	Warn func(string)
	// Trace gets what programs print, with bpf_trace_printk. Nil: nobody does.
	Trace func(string)
	// Verdicts are what programs return, by their names, without being run.
	Verdicts map[string]int32
	// Now is what time programs are told, in nanoseconds; nil counts how often
	// they ask.
	Now func() uint64
	// After has a function called later; nil: timers of programs never fire.
	After func(nanoseconds uint64, f func())
	// Explain has answers tell what was asked.
	Explain bool
	// Meanwhile, if set, is called around what is done in front of and behind a
	// call (see [fake.Kernel.Before]). Other calls may be answered meanwhile.
	Meanwhile func(do func())
	// Refuse has kinds of attachments refused, with an errno: see [RefusedKinds].
	Refuse map[string]mprog.Errno
	// Symbols are the running kernel's.
	Symbols Symbols
	// Record keeps what is done to hooks in the first network namespace; see
	// [Sim.Trace].
	Record bool
}

// Symbols tell of the running kernel, whose BTF and kallsyms programs see.
type Symbols interface {
	// Type is the name of a type of the kernel's BTF.
	Type(id uint32) string
	// Kind is the kind of a type of the kernel's BTF, 0 where nobody can say, false
	// if there is none.
	Kind(id uint32) (kind uint32, ok bool)
	// Tracepoint reports whether there is one by a name.
	Tracepoint(name string) bool
	// Function is the address of a function, 0 where that is kept secret.
	Function(name string) (address uint64, ok bool)
	// Types are the BTF that the kernel and its modules have, the kernel's first.
	Types() []KernelTypes
	// OtherTypes says in a line that they are not those of a release, empty if they are.
	OtherTypes(fake.Release) string
}

// Memory is memory that can be shared with callers.
type Memory interface {
	Bytes() []byte
	// Wake has those look at it who wait for a ring buffer's records.
	Wake()
	Close() error
}

// New simulates bpf(2) on a kernel.
func New(k *fake.Kernel, o Options) *Sim {
	s := &Sim{
		kernel:  k,
		holder:  k.Keeper(),
		callers: make(map[callerKey]*fake.Process),
		maps:    newRegistry[*bpfMap](), btfs: newRegistry[*btf](),
		programs: make(map[uint32]*program), pins: make(map[PinKey]*Object), mirrored: make(map[uint64][]uint32), mirroredNames: make(map[awayKey]string),
		verdicts: o.Verdicts, explain: o.Explain, random: rand.New(rand.NewPCG(1, 1)),
		cpus: max(o.CPUs, 1), memory: o.Memory, faults: arm(o.Fail), meanwhile: o.Meanwhile,
		inert: make(map[uint32]*inertLink), refused: o.Refuse, symbols: o.Symbols,
	}
	if s.now = o.Now; s.now == nil {
		asked := uint64(0)
		s.now = func() uint64 { asked++; return asked }
	}
	if s.after = o.After; s.after == nil {
		s.after = func(uint64, func()) {}
	}
	for _, to := range []struct {
		field *func(string)
		given func(string)
	}{{&s.warn, o.Warn}, {&s.trace, o.Trace}} {
		if *to.field = to.given; to.given == nil {
			*to.field = func(string) {}
		}
	}
	s.facts, s.permissions = factsOf(k.Running()), oncePermissions.of(k.Running(), permissionsOf)
	s.release = k.Running().Facts()
	s.types = onceTypes.of(k.Running(), typesOf)
	s.addKernelTypes()
	if o.Record {
		s.record = newRecorder(s)
	}
	return s
}

// Home says which network namespace is the kernel's first.
func (s *Sim) Home(netns uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.callers[callerKey{netns: netns}] = s.guest(s.holder, callerKey{netns: netns})
	if s.record != nil {
		s.record.home = netns
	}
}

// callerKey is what processes are told apart by, besides their fds.
type callerKey struct {
	netns   uint64
	without uint8 // bit i: guarded[i] is missing
}

// guarded are the capabilities that matter.
var guarded = [...]mprog.Capability{mprog.CapNetAdmin, mprog.CapSysAdmin, mprog.CapPerfmon, mprog.CapBPF}

// standIn returns the process of the fake that stands for the caller.
func (s *Sim) standIn(c Caller) *fake.Process {
	key := callerKey{netns: c.Netns()}
	var without []mprog.Capability
	for i, capability := range guarded {
		if !c.Capable(capability) {
			key.without |= 1 << i
			without = append(without, capability)
		}
	}
	if s.lastStandIn != nil && key == s.lastKey {
		return s.lastStandIn
	}
	p := s.callers[key]
	if p == nil {
		p = s.newStandIn(key, without)
	}
	s.lastKey, s.lastStandIn = key, p
	return p
}

func (s *Sim) newStandIn(key callerKey, without []mprog.Capability) *fake.Process {
	p := s.guest(s.resident(key.netns), key, without...)
	s.callers[key] = p
	return p
}

// resident returns a process with all capabilities in a network namespace.
func (s *Sim) resident(netns uint64) *fake.Process {
	key := callerKey{netns: netns}
	p := s.callers[key]
	if p == nil {
		p = s.guest(nil, key)
		s.callers[key] = p
	}
	return p
}

// Resident returns a process with all capabilities in a network namespace.
func (s *Sim) Resident(netns uint64) *fake.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resident(netns)
}

// registry numbers objects of one kind, whose ids are not used twice.
type registry[T any] struct {
	byID map[uint32]T
	last uint32
}

func newRegistry[T any]() registry[T] { return registry[T]{byID: make(map[uint32]T)} }

func (r *registry[T]) add(object T) (id uint32) {
	r.last++
	r.byID[r.last] = object
	return r.last
}

// next returns the lowest id above one, 0 when there is none.
func (r *registry[T]) next(id uint32) (found uint32) {
	for candidate := range r.byID {
		if candidate > id && (found == 0 || candidate < found) {
			found = candidate
		}
	}
	return found
}

// ForgetNetns says that the namespace is gone. The next one by its number is
// another.
func (s *Sim) ForgetNetns(outside uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.callers[callerKey{netns: outside}]; p != nil {
		for _, ifindex := range s.mirrored[outside] {
			p.DeleteDeviceAt(ifindex)
		}
		p.DeleteDeviceAt(loopback)
	}
	delete(s.mirrored, outside)
	s.lastStandIn = nil
	s.sweep()
	for key := range s.callers {
		if key.netns == outside {
			delete(s.callers, key)
		}
	}
}

// loopback is the ifindex of lo.
const loopback = 1
