package fake

import (
	"fmt"

	"github.com/nkconform/nkconform/mprog"
)

var _ mprog.TrafficControl = (*Process)(nil)

// qdisc is a device's clsact or ingress qdisc (struct clsact_sched_data, struct
// ingress_sched_data). A device has at most one of them, at TC_H_CLSACT.
type qdisc struct {
	kind   mprog.QdiscKind
	blocks [2]*block // of ingress and egress; of an ingress qdisc the same
	counts mprog.QdiscCounts
}

// qdiscHandle is what every qdisc at TC_H_CLSACT has as its handle.
const qdiscHandle = 0xffff0000

func newQdisc(kind mprog.QdiscKind) *qdisc {
	in := &block{}
	if kind == mprog.Ingress {
		return &qdisc{kind: kind, blocks: [2]*block{in, in}}
	}
	return &qdisc{kind: kind, blocks: [2]*block{in, {}}}
}

// keeps reports whether the storage of a tcx hook stays although no program uses
// it: the qdisc's filters are found there, too (tcx_miniq_inc).
func (q *qdisc) keeps(at mprog.AttachType) bool {
	return q != nil && (q.kind == mprog.Clsact || at == mprog.TCXIngress)
}

// setQdisc puts a qdisc in the place of the device's, or nil. A hook that is empty
// gets storage with it, or loses it (ingress_init, clsact_destroy).
func (d *device) setQdisc(q *qdisc) {
	for i := range d.tcx {
		at := mprog.TCXIngress + mprog.AttachType(i)
		if h := &d.tcx[i]; h.count == 0 && q.keeps(at) && !d.qdisc.keeps(at) {
			h.revision = 1
		}
	}
	if d.qdisc != nil {
		for _, b := range d.qdisc.blocks {
			b.flush()
		}
	}
	d.qdisc = q
}

// QdiscAdd makes a clsact or ingress qdisc, or changes the one that is there, in
// which there is nothing to change (RTM_NEWQDISC). It fails with
//   - EPERM without CAP_NET_ADMIN, before all else; ENODEV without the device;
//   - EEXIST where there is one, with EXCL or, for a handle of its own, without REPLACE;
//   - EINVAL for a handle with a minor number, or for another kind than is there,
//     unless the flags are CREATE with REPLACE or EXCL, or none;
//   - ENOENT where there is none, without CREATE, or if the kernel has no such kind.
func (p *Process) QdiscAdd(r mprog.QdiscRequest) error {
	return do0(p, mprog.OpQdiscAdd, r, (*Process).qdiscAdd)
}

// qdiscAdd is tc_modify_qdisc for a parent of TC_H_CLSACT.
func (p *Process) qdiscAdd(r mprog.QdiscRequest) error {
	d, err := p.tcDevice(r.Ifindex)
	if err != nil {
		return err
	}
	d.ingressQueue = true // also when what follows is refused
	q := d.qdisc
	ownHandle := r.Handle != 0 && r.Handle != qdiscHandle
	switch replace := r.Flags&mprog.NLReplace != 0; {
	case q == nil && r.Handle&0xffff != 0, q != nil && ownHandle && replace && r.Handle&0xffff != 0:
		return refuse(qdiscMinor, "handle %#x", r.Handle)
	case q == nil:
		if r.Flags&mprog.NLCreate == 0 {
			return refuse(qdiscAbsent, "device %s has no qdisc there, and create is not asked for", d.name)
		}
	case ownHandle && !replace:
		return refuse(qdiscOverride, "device %s has qdisc %s with handle ffff:, not %#x", d.name, q.kind, r.Handle)
	case ownHandle:
		if r.Flags&mprog.NLCreate == 0 {
			return refuse(qdiscAbsent, "no qdisc of device %s has handle %#x, and create is not asked for", d.name, r.Handle)
		}
	case r.Handle == 0 && r.Kind != q.kind && makesAnother(r.Flags):
	default:
		return q.change(&r)
	}
	if p.kernel.missing[mprog.FeatureClsact] || r.Kind != mprog.Clsact && r.Kind != mprog.Ingress {
		return refuse(qdiscUnknown, "kind %q", r.Kind)
	}
	p.passed(qdiscUnknown, uint64(r.Ifindex), 0)
	d.setQdisc(newQdisc(r.Kind))
	return nil
}

// makesAnother reports whether a request with these flags and the name of another
// kind makes a qdisc instead of changing the one that is there.
func makesAnother(f mprog.NLFlags) bool {
	const create, replace, excl = mprog.NLCreate, mprog.NLReplace, mprog.NLExcl
	return f&(create|replace) == create|replace || f&(create|excl) == create|excl || f&(create|replace|excl) == 0
}

// change is qdisc_change, for which these kinds have nothing.
func (q *qdisc) change(r *mprog.QdiscRequest) error {
	switch {
	case r.Flags&mprog.NLExcl != 0:
		return refuse(qdiscExists, "there is qdisc %s", q.kind)
	case r.Kind != "" && r.Kind != q.kind:
		return refuse(qdiscKind, "there is qdisc %s, not %s", q.kind, r.Kind)
	case r.Options:
		return refuse(qdiscChange, "qdisc %s", q.kind)
	}
	return nil
}

// QdiscDelete removes a device's clsact or ingress qdisc, with its filters
// (RTM_DELQDISC). It fails with
//   - EPERM without CAP_NET_ADMIN, before all else; ENODEV without the device;
//   - ENOENT where there is none; if there ever was or was asked for one, EINVAL when
//     a handle or a kind is given;
//   - EINVAL for another handle or kind than is there.
func (p *Process) QdiscDelete(r mprog.QdiscRequest) error {
	return do0(p, mprog.OpQdiscDelete, r, (*Process).qdiscDelete)
}

// qdiscDelete is tc_get_qdisc for a parent of TC_H_CLSACT.
func (p *Process) qdiscDelete(r mprog.QdiscRequest) error {
	d, err := p.tcDevice(r.Ifindex)
	if err != nil {
		return err
	}
	if !d.ingressQueue {
		return refuse(qdiscNone, "device %s never had one", d.name)
	}
	q, handle := d.qdisc, uint32(qdiscHandle)
	if q == nil { // in its place is noop_qdisc
		q, handle = &qdisc{kind: "noop"}, 0
	}
	switch {
	case r.Handle != 0 && r.Handle != handle:
		return refuse(qdiscOther, "handle %#x, not %#x", handle, r.Handle)
	case r.Kind != "" && r.Kind != q.kind:
		return refuse(qdiscKind, "there is qdisc %s, not %s", q.kind, r.Kind)
	case handle == 0:
		return refuse(qdiscZero, "device %s has none any more", d.name)
	}
	d.setQdisc(nil)
	return nil
}

// tcDevice finds the device of a request that changes something.
func (p *Process) tcDevice(ifindex uint32) (*device, error) {
	if err := p.mayChangeTC(); err != nil {
		return nil, err
	}
	return p.deviceOfTC(ifindex)
}

// mayChangeTC is what rtnetlink_rcv_msg checks first.
func (p *Process) mayChangeTC() error {
	if !p.caps.has(mprog.CapNetAdmin) {
		return refuse(tcNetAdmin, "the caller lacks CAP_NET_ADMIN")
	}
	p.passed(tcNetAdmin, 0, 0)
	return nil
}

func (p *Process) deviceOfTC(ifindex uint32) (*device, error) {
	d := p.net.devices[ifindex]
	if d == nil {
		return nil, refuse(tcDeviceNone, "no device has ifindex %d", ifindex)
	}
	p.passed(tcDeviceNone, uint64(ifindex), 0)
	return d, nil
}

// block finds the filters that a tcm_parent names (clsact_find, clsact_tcf_block,
// ingress_find, ingress_tcf_block).
func (d *device) block(parent uint32) (*block, error) {
	q, minor := d.qdisc, parent&0xffff
	switch {
	case parent == 0:
		return nil, fmt.Errorf("%w: filters of a root qdisc", mprog.ErrUnsupported)
	case q == nil || parent&^0xffff != qdiscHandle:
		return nil, refuse(filterNoQdisc, "device %s has no qdisc with handle %#x", d.name, parent&^0xffff)
	case q.kind == mprog.Ingress:
		return q.blocks[0], nil
	case minor == minorIngress || minor == minorEgress:
		return q.blocks[minor-minorIngress], nil
	case minor == 0:
		return nil, refuse(filterNoBlock, "parent %#x", parent)
	}
	return nil, refuse(filterNoClass, "parent %#x", parent)
}

// The minor numbers of the parents of a clsact qdisc's filters.
const (
	minorIngress = 0xfff2 // TC_H_MIN_INGRESS
	minorEgress  = 0xfff3 // TC_H_MIN_EGRESS
)
