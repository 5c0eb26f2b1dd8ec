package lockstep

import (
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// generator makes up the steps of one sequence. It looks at the world to make
// most of them succeed.
type generator struct {
	source
	w        *world
	ops      ops
	progs    int16 // how many programs the sequence chooses from: few meet often
	hooks    []Hook
	fill     int // how full the first hook is made
	started  bool
	xdpLinks bool // can be made
}

// ops are the steps that both environments can perform.
type ops [opEnd]bool

// chance is true in n of 100 cases.
func (g *generator) chance(n int) bool { return g.intn(100) >= 100-n }

// newGenerator chooses what a sequence is about.
func newGenerator(src source, can ops, features features) (*generator, Stage) {
	g := &generator{source: src, ops: can, xdpLinks: features.xdp}
	var stage Stage
	if features.netkit {
		for range 1 + g.intn(4)/3 {
			stage.Devices = append(stage.Devices, mprog.Netkit)
		}
	}
	if features.tcx && (!features.netkit || g.chance(30)) {
		stage.Devices = append(stage.Devices, mprog.AnyDevice)
	}
	g.progs = int16(3 + g.intn(8))
	switch g.intn(8) {
	case 0, 1:
		g.fill, g.progs = 60+g.intn(4), schedProgs
	case 2:
		g.fill, g.progs = g.intn(60), schedProgs
	}
	// What is slow is rare.
	if g.ops[StartProcess] = can[StartProcess] && g.chance(15); !g.ops[StartProcess] {
		g.ops[EndProcess] = false
	}
	g.ops[Send] = can[Send] && g.chance(15)
	stage.Netns = g.ops[StartProcess] && can[MoveDevice] && g.chance(40)
	g.ops[MoveDevice], g.ops[EndNetns] = stage.Netns, stage.Netns && can[EndNetns]
	if can[AddQdisc] && !g.chance(30) {
		g.ops[AddQdisc], g.ops[DeleteQdisc], g.ops[AddFilter], g.ops[DeleteFilter] = false, false, false, false
	}
	if g.chance(50) {
		g.ops[Pin], g.ops[Get], g.ops[Unlink] = false, false, false
	}
	g.chooseHooks(stage, features)
	return g, stage
}

// features are those that both environments have.
type features struct{ netkit, tcx, xdp bool }

// chooseHooks chooses up to five hooks.
func (g *generator) chooseHooks(stage Stage, features features) {
	n := int16(1)
	for _, kind := range stage.Devices {
		switch {
		case kind == mprog.Netkit:
			g.hooks = append(g.hooks, Hook{n, mprog.NetkitPrimary}, Hook{n, mprog.NetkitPeer})
			if features.tcx && g.chance(20) {
				g.hooks = append(g.hooks, Hook{n + int16(g.intn(2)), mprog.TCXIngress + mprog.AttachType(g.intn(2))})
			}
			n++
		default:
			g.hooks = append(g.hooks, Hook{n, mprog.TCXIngress}, Hook{n, mprog.TCXEgress})
		}
		n++
	}
	if g.chance(50) && len(g.hooks) > 1 { // the first gets filled
		g.hooks[0], g.hooks[1] = g.hooks[1], g.hooks[0]
	}
	for len(g.hooks) > 2 && g.chance(40) {
		g.hooks = g.hooks[:len(g.hooks)-1]
	}
}

// weights say how often each step is tried.
var weights = [opEnd]int{
	Attach: 26, Detach: 17, Query: 5, CreateLink: 16, UpdateLink: 10, DetachLink: 4, Info: 4, Close: 4,
	DeleteDevice: 1, MoveDevice: 2, EndNetns: 1, OpenProg: 2, OpenLink: 3, NextProg: 1, NextLink: 1, Pin: 2, Get: 2, Unlink: 2,
	Dup: 3, Command: 1, StartProcess: 2, EndProcess: 1, Send: 2,
	AddQdisc: 6, DeleteQdisc: 1, AddFilter: 20, DeleteFilter: 5,
}

// more reports whether there is anything left to work on.
func (g *generator) more() bool {
	if g.started {
		g.hooks = slices.DeleteFunc(g.hooks, func(h Hook) bool {
			return g.w.deleted[h.Device] && g.chance(20)
		})
	}
	return len(g.hooks) > 0 && !g.done()
}

// next makes up a step.
func (g *generator) next() Step {
	if !g.started {
		g.started = true
		if g.fill > 0 {
			return Step{
				Op: Fill, Device: slot(g.hooks[0].Device), Type: g.hooks[0].Type,
				Object: slot(0), Second: zero, Third: zero, Relative: zero, Count: uint32(g.fill),
			}
		}
	}
	if g.w.stage.Netns && len(g.w.procs) == 1 && g.chance(20) { // early, so that there is somebody
		return g.step(StartProcess)
	}
	total := 0
	for op, weight := range weights {
		if g.ops[op] {
			total += weight
		}
	}
	n := g.intn(total)
	for op, weight := range weights {
		if !g.ops[op] {
			continue
		}
		if n -= weight; n < 0 {
			return g.step(Op(op))
		}
	}
	return g.step(Attach)
}

func (g *generator) step(op Op) Step {
	process := g.process()
	h := g.hookFor(process)
	s := Step{
		Op: op, Device: slot(h.Device), Type: h.Type, Object: zero, Second: zero, Third: zero, Relative: zero,
		Process: process,
	}
	wild := g.chance(22)
	if op == EndNetns && !slices.Contains(g.w.moved, true) && g.chance(80) {
		op, s.Op = MoveDevice, MoveDevice // so that there is something to end
	}
	switch op {
	case Attach, CreateLink:
		g.attach(&s, h, wild)
	case Detach:
		g.detach(&s, h, wild)
	case UpdateLink:
		g.update(&s, h, wild)
	case Query:
		g.query(&s, wild)
	case AddQdisc, DeleteQdisc, AddFilter, DeleteFilter:
		g.trafficControl(&s, wild)
	case DeleteDevice, MoveDevice:
		s.Process = 0
		if s.Device = slot(1 + int16(g.intn(int(g.w.stage.slots()-1)))); wild {
			s.Device = g.anyDevice()
		}
	case EndNetns:
		s.Process = 0
	default:
		g.other(&s, wild)
	}
	if wild && op <= DetachLink && g.chance(15) {
		g.misshape(&s)
	}
	if s.touchesFilters() {
		return s
	}
	if s.Type.Netkit() && g.w.stage.kind(s.Device.Slot) == mprog.AnyDevice {
		s.Type = mprog.TCXIngress // whether it is a netkit device is not known
	}
	return s
}

// hookFor chooses a hook, mostly one whose device the process sees.
func (g *generator) hookFor(process int8) Hook {
	start := g.intn(len(g.hooks))
	if !g.w.stage.Netns || g.chance(15) {
		return g.hooks[start]
	}
	for i := range g.hooks {
		if h := g.hooks[(start+i)%len(g.hooks)]; g.w.moved[h.Device] == g.w.procs[process].away {
			return h
		}
	}
	return g.hooks[start]
}

// process chooses who makes the call: mostly the first.
func (g *generator) process() int8 {
	if len(g.w.procs) == 1 || g.chance(60) {
		return 0
	}
	return int8(g.intn(len(g.w.procs)))
}

// newSlot is the slot of what a step makes.
func (g *generator) newSlot() int16 { return int16(max(len(g.w.objects), firstDynamic)) }

// full reports whether no more objects can be made.
func (g *generator) full() bool { return len(g.w.objects) >= maxObjects-1 }
