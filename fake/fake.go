package fake

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
	"github.com/nkconform/nkconform/trace"
)

// Kernel is a simulated machine and its first process, which has all
// capabilities. Its methods may be called concurrently.
type Kernel struct {
	*Process

	mu    sync.Mutex // held by every command from start to end
	watch atomic.Pointer[watch]

	watching sync.Mutex // held while watch is replaced

	running Release
	release *generation
	missing map[mprog.Feature]bool
	tcx     support
	netkit  support

	namespaces []*netns   // by mprog.Netns
	children   []*Process // all but the first
	topCgroup  *cgroup    // that all others are in, and processes begin in
	fs         *fileSystem
	names      names
	recording  bool
	test       string   // whose machine it is
	tb         TB       // the test itself, of NewT
	kept       bool     // it answers a program, whose devices are made by rtnetlink alone
	words      []string // see Word
	allowed    Leak

	progs      map[uint32]*program // by id
	links      map[uint32]*link    // by id
	lastProgID uint32
	lastLinkID uint32

	lastCgroupID uint64

	attr *attr.Buffer // see scratch

	code   Code     // that decides about hooks; nil: the fake itself
	asked  bool     // the code, for anything
	stage  mprog.Op // the first call whose answer is not the code's
	breach error    // what the code has broken, where nobody could be told
}

var _ mprog.Environment = (*Kernel)(nil)

// Option changes what [New] makes.
type Option func(*Kernel)

// Without makes a kernel that is built without a feature of its release.
func Without(f mprog.Feature) Option {
	return func(k *Kernel) { k.missing[f] = true }
}

// Lacking returns the options for a kernel that lacks what a trace says that it must
// lack (need !FEATURE): the fake can be any kernel.
func Lacking(f *trace.File) []Option {
	var options []Option
	for _, s := range f.Statements() {
		if s.Verb != "need" {
			continue
		}
		for _, word := range s.Operands {
			if feature, absent := trace.ParseNeed(word); absent {
				options = append(options, Without(feature))
			}
		}
	}
	return options
}

// With makes a kernel that has a feature which its release does not have yet, as
// distributions make some.
func With(f mprog.Feature) Option {
	return func(k *Kernel) { k.missing[f] = false }
}

// Word is for who makes kernels of other kinds with the same options, such as
// package intercept: it means nothing to New.
func Word(w string) Option { return func(k *Kernel) { k.words = append(k.words, w) } }

// Has reports whether the kernel was made with a [Word].
func (k *Kernel) Has(word string) bool { return slices.Contains(k.words, word) }

// New returns a machine of its own, whose only device is lo. Without options it
// is the newest kernel known, with every feature.
func New(opts ...Option) *Kernel {
	k := &Kernel{
		running: Newest,
		missing: make(map[mprog.Feature]bool),
		progs:   make(map[uint32]*program),
		links:   make(map[uint32]*link),
		fs:      newFileSystem(),
		names:   make(names),
	}
	k.recordIfAsked()
	for _, o := range opts {
		o(k)
	}
	k.release = k.running.generation()
	for _, f := range mprog.Features {
		if _, said := k.missing[f]; !said {
			k.missing[f] = !k.release.has(f)
		}
	}
	k.tcx, k.netkit = k.supports(mprog.FeatureTCX), k.supports(mprog.FeatureNetkit)
	k.namespaces = []*netns{newNetns(0)}
	k.topCgroup = k.newCgroup("", nil)
	k.Process = k.newProcess(k.namespaces[0], allCapabilities)
	if err := k.stageDevices(k.namespaces[0].devices[1], nil); err != nil {
		k.broken(err)
	}
	k.startRecording()
	return k
}
