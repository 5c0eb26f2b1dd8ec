package lockstep

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// Trace writes a sequence that was performed in the trace language, without
// answers. What no step uses is left out.
func (s Sequence) Trace() *trace.File {
	p := &printer{stage: s.Stage, names: map[int16]string{}}
	p.collect(s.Steps)
	f := &trace.File{}
	for _, st := range append(p.declarations(), p.statements(s.Steps)...) {
		f.Lines = append(f.Lines, trace.Line{Statement: st})
	}
	return f
}

// printer knows what the slots are called.
type printer struct {
	stage   Stage
	names   map[int16]string // of objects
	links   map[int16]int    // numbers of what steps have made
	progs   []int16          // those used, in order of their names
	devices map[int16]bool   // those used
	tcx     bool
	clsact  bool
	returns bool // what programs return matters
	netns   bool // the other network namespace is used
}

// collect finds what is used and gives it names: letters for programs, or
// numbers when there are ranges of them.
func (p *printer) collect(steps []Step) {
	p.devices, p.links = map[int16]bool{}, map[int16]int{}
	ranges := false
	for i := range steps {
		s := &steps[i]
		ranges = ranges || s.Op == Fill
		p.returns = p.returns || s.Op == Send
		p.netns = p.netns || s.Op == MoveDevice || s.Op == EndNetns || s.Away
		p.tcx = p.tcx || s.usesType() && s.Type.TCX()
		p.clsact = p.clsact || s.touchesFilters()
		if _, named := p.links[s.Makes]; s.makesObject() && !named {
			p.links[s.Makes] = len(p.links) + 1
		}
		if s.usesDevice() && s.Device.slot() {
			p.devices[s.Device.Slot] = true
		}
		for _, r := range []Ref{s.Object, s.Second, s.Third, s.Relative} {
			if r.slot() && r.Slot < firstDynamic {
				p.use(r.Slot)
			}
		}
		for n := range int16(s.Count) {
			if s.Op == Fill {
				p.use(s.Object.Slot + n)
			}
		}
	}
	if len(p.progs) > 20 {
		ranges = true
	}
	if ranges {
		slices.Sort(p.progs)
	}
	letter := 'a'
	for _, n := range p.progs {
		if ranges && n < schedProgs {
			p.names[n] = progName(n)
			continue
		}
		p.names[n] = string(letter)
		letter++
	}
}

func (p *printer) use(n int16) {
	if !slices.Contains(p.progs, n) {
		p.progs = append(p.progs, n)
	}
}

func (s *Step) usesDevice() bool {
	return s.usesType() || s.touchesFilters() || s.Op == DeleteDevice || s.Op == MoveDevice || s.Op == Send
}

func (s *Step) usesType() bool {
	_, hook := (&Step{Op: s.Op, Device: slot(0)}).touches()
	return hook
}

// declarations makes the stage.
func (p *printer) declarations() []*trace.Statement {
	var list []*trace.Statement
	need := &trace.Statement{Verb: "need"}
	n := int16(1)
	for i, kind := range p.stage.Devices {
		if kind == mprog.Netkit {
			if p.devices[n] || p.devices[n+1] {
				list = append(list, &trace.Statement{Verb: "netkit", Operands: []string{p.deviceName(n), p.deviceName(n + 1)}})
			}
			n++
		} else if p.devices[n] {
			list = append(list, &trace.Statement{Verb: "device", Operands: []string{p.deviceName(n)}})
		}
		n++
		_ = i
	}
	if len(list) > 0 && list[0].Verb == "netkit" {
		need.Operands = append(need.Operands, "netkit")
	}
	if p.tcx {
		need.Operands = append(need.Operands, "tcx")
	}
	if p.clsact {
		need.Operands = append(need.Operands, "clsact")
	}
	if need.Operands != nil {
		list = append([]*trace.Statement{need}, list...)
	}
	if p.netns {
		list = append(list, &trace.Statement{Verb: "netns", Operands: []string{otherNetns}})
	}
	return append(list, p.progDeclarations()...)
}

// progDeclarations loads programs, one statement for each kind and return code.
func (p *printer) progDeclarations() []*trace.Statement {
	var list []*trace.Statement
	for _, kind := range []struct {
		typ string
		has func(int16) bool
	}{
		{"", func(n int16) bool { return n < schedProgs }},
		{"xdp", func(n int16) bool { return n >= schedProgs && n < filterProg }},
		{"socket_filter", func(n int16) bool { return n == filterProg }},
	} {
		for _, ret := range []int32{-1, 0, 2} {
			var names []string
			for _, n := range p.progs {
				if kind.has(n) && progSpec(n).Return == ret {
					names = append(names, p.names[n])
				}
			}
			if !p.returns && kind.typ == "" {
				names = nil
				for _, n := range p.progs {
					if ret == -1 && kind.has(n) {
						names = append(names, p.names[n])
					}
				}
			}
			if names == nil {
				continue
			}
			st := &trace.Statement{Verb: "prog", Operands: ranges(names)}
			if kind.typ != "" {
				st.Params = append(st.Params, trace.Param{Key: "type", Value: kind.typ})
			}
			if p.returns {
				st.Params = append(st.Params, trace.Param{Key: "return", Value: strconv.Itoa(int(ret))})
			}
			list = append(list, st)
		}
	}
	return list
}

// ranges writes runs of numbered names as ranges.
func ranges(names []string) []string {
	var entries []trace.Entry
	for _, n := range names {
		entries = append(entries, trace.Entry{Prog: n})
	}
	var words []string
	for _, e := range trace.CompressList(entries) {
		words = append(words, e.Prog)
	}
	return words
}

func (p *printer) deviceName(n int16) string {
	if n == 0 {
		return "lo"
	}
	if p.stage.kind(n) == mprog.Netkit {
		return fmt.Sprintf("nk%d", n-1)
	}
	return fmt.Sprintf("t%d", n-1)
}

func (p *printer) device(r Ref) string {
	if r.slot() {
		return p.deviceName(r.Slot)
	}
	return number(r.Raw)
}

// object names an object; those that steps have made are links or other fds.
func (p *printer) object(r Ref) string {
	if !r.slot() {
		return number(r.Raw)
	}
	if name, ok := p.names[r.Slot]; ok {
		return name
	}
	return p.made(r.Slot)
}

func (p *printer) made(n int16) string { return fmt.Sprintf("l%d", p.links[n]) }

// number writes the special numbers as people know them.
func number(n uint32) string {
	if int32(n) < 0 {
		return "0x" + strconv.FormatUint(uint64(n), 16)
	}
	return strconv.FormatUint(uint64(n), 10)
}
