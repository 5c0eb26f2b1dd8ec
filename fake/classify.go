package fake

import "github.com/nkconform/nkconform/mprog"

// What cls_bpf's programs return besides what tcx's do (include/uapi/linux/pkt_cls.h).
const (
	verdictStolen int32 = 4 // TC_ACT_STOLEN
	verdictTrap   int32 = 8 // TC_ACT_TRAP
)

// FilterVerdict tells what becomes of a packet by what a filter's program returns:
// whether it is the last filter that runs, and whether the packet goes on then.
//
// With direct action 0 (OK) lets the packet pass, 2 (SHOT), 4 (STOLEN), 7 (REDIRECT)
// and 8 (TRAP) keep it from going on, and any other value is taken for -1: the next
// filter runs. Without, 0 is no match, and all others let the packet pass.
func FilterVerdict(returns int32, f mprog.BPFFlags) (last, passes bool) { // cls_bpf_exec_opcode
	if f&mprog.DirectAction == 0 {
		return returns != 0, true
	}
	switch returns {
	case verdictPass:
		return true, true
	case verdictDrop, verdictStolen, verdictRedirect, verdictTrap:
		return true, false
	}
	return false, true
}

// match is a filter that a packet comes to, unless an earlier one decides.
type match struct {
	prog  *program
	flags mprog.BPFFlags
}

// filtered reports whether packets come to filters, whichever they are for: chain 0 has
// any (tcf_chain0_head_change).
func (d *device) filtered(at mprog.AttachType) bool {
	if !d.qdisc.keeps(at) {
		return false
	}
	c := d.qdisc.blocks[at-mprog.TCXIngress].chain(0)
	return c != nil && len(c.priorities) > 0
}

// matches returns the filters of chain 0 for packets of an ethertype, in their order
// (__tcf_classify). No filter here goes to another chain.
func (d *device) matches(at mprog.AttachType, protocol uint16) (list []match) {
	if !d.filtered(at) {
		return nil
	}
	for _, pr := range d.qdisc.blocks[at-mprog.TCXIngress].chain(0).priorities {
		if pr.protocol != mprog.AnyProtocol && pr.protocol != protocol {
			continue
		}
		for _, f := range pr.filters {
			list = append(list, match{f.prog, f.flags})
		}
	}
	return list
}

// classify has a packet come to filters, and returns which ran, the last one's answer,
// and whether the packet goes on.
func classify(list []match, run func(*program) int32) (ran []uint32, verdict int32, passes bool) {
	for _, m := range list {
		verdict = run(m.prog)
		ran = append(ran, m.prog.id)
		if last, passes := FilterVerdict(verdict, m.flags); last {
			return ran, verdict, passes
		}
	}
	return ran, verdict, true
}

// toFilters reports whether a packet that came through a tcx hook goes on to the
// qdisc's filters: when no program decided, which an unknown value does not
// (tcx_run, sch_handle_ingress).
func toFilters(verdict int32) bool {
	return verdict != verdictPass && verdict != verdictDrop && verdict != verdictRedirect
}
