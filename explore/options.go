package explore

import (
	"time"

	"github.com/nkconform/nkconform/fake"
)

// options say how to explore.
type options struct {
	kernel      []fake.Option
	runs        int
	states      int
	calls       int
	preemptions int
	time        time.Duration
	random      int // runs; 0: depth first
	depth       int
	seed        uint64
	plain       bool
	all         bool
	patience    time.Duration
	replay      string
}

func newOptions(opts []Option) *options {
	o := &options{states: 2_000_000, calls: 300, preemptions: -1, patience: 30 * time.Second, depth: 3}
	for _, option := range opts {
		option(o)
	}
	return o
}

// Option says how to explore.
type Option func(*options)

// Kernel chooses the kernel that is simulated, by the options of [fake.New].
func Kernel(opts ...fake.Option) Option {
	return func(o *options) { o.kernel = append(o.kernel, opts...) }
}

// Runs ends the exploration, incomplete, behind n runs.
func Runs(n int) Option { return func(o *options) { o.runs = n } }

// States ends the exploration, incomplete, behind n states, which take about a hundred
// bytes each. Without it two millions are the limit.
func States(n int) Option { return func(o *options) { o.states = n } }

// Calls is how many calls a process may make: one that makes more, when nobody else is
// left to act, never ends, which is a finding. Without it 300 are the limit.
func Calls(n int) Option { return func(o *options) { o.calls = n } }

// Preemptions leaves out, and makes incomplete, runs in which agents are interrupted more than
// n times before a call, although they could go on.
func Preemptions(n int) Option { return func(o *options) { o.preemptions = n } }

// Time ends the exploration, incomplete, after a duration; -explore.time does the same.
func Time(d time.Duration) Option { return func(o *options) { o.time = d } }

// Random explores by so many runs chosen at random, for what is too large to be explored
// completely. Of n agents with k calls together, a run finds a bug that takes d
// choices in a certain order with a probability of at least 1/(n*k^(d-1)); depth is d, and
// 0 means 3. The same seed makes the same runs. Also -explore.random and -explore.seed.
func Random(runs, depth int, seed uint64) Option {
	return func(o *options) {
		o.random, o.seed = runs, seed
		if depth > 0 {
			o.depth = depth
		}
	}
}

// NoReduction explores every order of calls, also where it makes no difference.
func NoReduction() Option { return func(o *options) { o.plain = true } }

// All goes on after the first finding, and finds one for every invariant that breaks.
func All() Option { return func(o *options) { o.all = true } }

// Patience is how long the code of an agent may run, in real time, without a call; 30
// seconds without it.
func Patience(d time.Duration) Option { return func(o *options) { o.patience = d } }

// Replay plays one schedule, as a report names it; also -explore.replay.
func Replay(schedule string) Option { return func(o *options) { o.replay = schedule } }
