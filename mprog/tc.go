package mprog

import (
	"fmt"
	"strconv"
	"strings"
)

// TrafficControl answers the requests of rtnetlink about clsact and ingress
// qdiscs and the cls_bpf filters on them, which run behind the programs of a
// device's tcx hooks. Processes of environments that can be asked implement it.
//
// Every error carries an errno or wraps [ErrUnsupported].
type TrafficControl interface {
	// QdiscAdd makes a qdisc, or changes the one that is there (RTM_NEWQDISC).
	QdiscAdd(QdiscRequest) error
	// QdiscDelete removes a qdisc with its filters (RTM_DELQDISC).
	QdiscDelete(QdiscRequest) error
	// FilterAdd adds a filter, or replaces one (RTM_NEWTFILTER).
	FilterAdd(FilterRequest) error
	// FilterDelete removes a filter, all of a priority, or all of a chain
	// (RTM_DELTFILTER).
	FilterDelete(FilterRequest) error
	// FilterList lists the filters of a hook in the order in which they run, chain
	// after chain (RTM_GETTFILTER). Where there is no qdisc there are none.
	FilterList(Hook) ([]Filter, error)
}

// The operations of [TrafficControl].
const (
	OpQdiscAdd     Op = "qdisc add"     // RTM_NEWQDISC
	OpQdiscDelete  Op = "qdisc delete"  // RTM_DELQDISC
	OpFilterAdd    Op = "filter add"    // RTM_NEWTFILTER
	OpFilterDelete Op = "filter delete" // RTM_DELTFILTER
	OpFilterList   Op = "filter list"   // RTM_GETTFILTER
)

// QdiscKind is a qdisc's TCA_KIND.
type QdiscKind string

// The qdiscs that take filters for what a device receives, and clsact for what it
// transmits, too. Both stand at the parent TC_H_CLSACT, one of them a device.
const (
	Clsact  QdiscKind = "clsact"
	Ingress QdiscKind = "ingress"
)

// QdiscRequest is a struct tcmsg with TC_H_CLSACT as its parent, and attributes.
type QdiscRequest struct {
	Ifindex uint32    // tcm_ifindex
	Kind    QdiscKind // TCA_KIND; "": none
	Handle  uint32    // tcm_handle
	Flags   NLFlags   // nlmsg_flags, of QdiscAdd
	Options bool      // there is a TCA_OPTIONS
}

// QdiscCounts is what such a qdisc counts: what comes to its filters, where there are
// any, and what they drop (struct gnet_stats_basic, gnet_stats_queue).
type QdiscCounts struct {
	Bytes   uint64
	Packets uint32
	Drops   uint32
}

// FilterRequest is a struct tcmsg with the attributes of cls_bpf.
type FilterRequest struct {
	Hook             // its Type is TCXIngress, TCXEgress, or a number for tcm_parent
	Kind     string  // TCA_KIND; "": none
	Handle   uint32  // tcm_handle; 0: any
	Priority uint16  // of tcm_info; 0: the kernel chooses
	Protocol uint16  // of tcm_info, in host order: an ethertype
	Chain    uint32  // TCA_CHAIN
	Flags    NLFlags // nlmsg_flags, of FilterAdd

	// Of FilterAdd.
	FD       uint32   // TCA_BPF_FD
	BPFFlags BPFFlags // TCA_BPF_FLAGS
	GenFlags uint32   // TCA_BPF_FLAGS_GEN: skip the hardware, 1, or the software, 2
	ClassID  uint32   // TCA_BPF_CLASSID
	Name     string   // TCA_BPF_NAME
}

// BPFKind is the TCA_KIND of filters of cls_bpf.
const BPFKind = "bpf"

// Filter is a filter as it is listed.
type Filter struct {
	Parent   uint32 // tcm_parent
	Chain    uint32
	Priority uint16
	Protocol uint16 // in host order
	Handle   uint32
	ProgID   uint32
	BPFFlags BPFFlags
	GenFlags uint32
	ClassID  uint32
	Name     string
}

// AnyProtocol is ETH_P_ALL: a filter for packets of every ethertype.
const AnyProtocol uint16 = 3

// BPFFlags is TCA_BPF_FLAGS.
type BPFFlags uint32

// DirectAction is TCA_BPF_FLAG_ACT_DIRECT: what the program returns is the verdict.
// Otherwise anything but 0 is a match, which lets the packet pass.
const DirectAction BPFFlags = 1

// Values of tcm_parent (include/uapi/linux/pkt_sched.h).
const (
	parentIngress = 0xfffffff2 // TC_H_CLSACT with TC_H_MIN_INGRESS
	parentEgress  = 0xfffffff3 // TC_H_CLSACT with TC_H_MIN_EGRESS
)

// FilterParent returns the tcm_parent of a hook's filters.
func FilterParent(t AttachType) uint32 {
	switch t {
	case TCXIngress:
		return parentIngress
	case TCXEgress:
		return parentEgress
	}
	return uint32(t)
}

// NLFlags is nlmsg_flags, as far as they say what is to be made.
type NLFlags uint16

// The flags of requests for something new (include/uapi/linux/netlink.h).
const (
	NLReplace NLFlags = 0x100 // NLM_F_REPLACE
	NLExcl    NLFlags = 0x200 // NLM_F_EXCL
	NLCreate  NLFlags = 0x400 // NLM_F_CREATE
	NLAppend  NLFlags = 0x800 // NLM_F_APPEND
)

var nlFlagNames = []struct {
	bit  NLFlags
	name string
}{{NLReplace, "replace"}, {NLExcl, "excl"}, {NLCreate, "create"}, {NLAppend, "append"}}

// String joins the names of the flags with +. No flag is 0.
func (f NLFlags) String() string {
	var parts []string
	for _, n := range nlFlagNames {
		if f&n.bit != 0 {
			parts = append(parts, n.name)
			f &^= n.bit
		}
	}
	if f != 0 || parts == nil {
		parts = append(parts, strconv.FormatUint(uint64(f), 10))
	}
	return strings.Join(parts, "+")
}

// ParseNLFlags is the inverse of [NLFlags.String] for the flags that have names.
func ParseNLFlags(s string) (f NLFlags, err error) {
	if s == "0" {
		return 0, nil
	}
next:
	for part := range strings.SplitSeq(s, "+") {
		for _, n := range nlFlagNames {
			if part == n.name {
				f |= n.bit
				continue next
			}
		}
		return 0, fmt.Errorf("unknown flag %q: expected replace, excl, create, append or 0", part)
	}
	return f, nil
}
