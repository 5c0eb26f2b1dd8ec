package fake

import "github.com/nkconform/nkconform/mprog"

// notFound is what rtnetlink says of a priority, of whose filters there are none.
const notFound = "Filter with specified priority/protocol not found"

// Qdiscs and filters, by rtnetlink.
var (
	tcNetAdmin = rule("tc/net-admin", mprog.EPERM,
		"To change qdiscs and filters takes CAP_NET_ADMIN.", "rtnetlink_rcv_msg").
		passing("the caller has CAP_NET_ADMIN")
	tcDeviceNone = rule("tc/device", mprog.ENODEV,
		"The ifindex must be a device's in the caller's network namespace.", "tc_modify_qdisc, tc_get_qdisc, __tcf_qdisc_find").
		passing("a device has ifindex $1")
	qdiscOverride = rule("qdisc/override", mprog.EEXIST,
		"Where a clsact or ingress qdisc is, whose handle is ffff:, one of another handle takes REPLACE.", "tc_modify_qdisc").
		saying("NLM_F_REPLACE needed to override")
	qdiscMinor = rule("qdisc/minor", mprog.EINVAL,
		"A qdisc's handle has no minor number.", "tc_modify_qdisc").
		saying("Invalid minor handle")
	qdiscExists = rule("qdisc/exists", mprog.EEXIST,
		"With EXCL there may be no qdisc.", "tc_modify_qdisc").
		saying("Exclusivity flag on, cannot modify")
	qdiscKind = rule("qdisc/kind", mprog.EINVAL,
		"A kind that is given must be that of the qdisc, also to delete it; CREATE with REPLACE or EXCL, or no flag at all, puts another in its place.",
		"tc_modify_qdisc, tc_get_qdisc").
		saying("Invalid qdisc name: must match existing qdisc").
		before(6, 16, "Invalid qdisc name")
	qdiscChange = rule("qdisc/change", mprog.EINVAL,
		"There is nothing that options could change.", "qdisc_change").
		saying("Change operation not supported by specified qdisc")
	qdiscAbsent = rule("qdisc/absent", mprog.ENOENT,
		"A new qdisc takes CREATE.", "tc_modify_qdisc").
		saying("Qdisc not found. To create specify NLM_F_CREATE flag")
	qdiscUnknown = rule("qdisc/unknown", mprog.ENOENT,
		"The kernel must have the kind, built in or as a module.", "qdisc_create").
		saying("Specified qdisc kind is unknown").
		passing("device $1 gets a qdisc")
	qdiscNone = rule("qdisc/none", mprog.ENOENT,
		"What is deleted must once have been there, or at least been asked for.", "tc_get_qdisc").
		saying("Cannot find specified qdisc on specified device")
	qdiscOther = rule("qdisc/handle", mprog.EINVAL,
		"A handle that is given must be that of the qdisc to delete; where none is any more, it is 0.", "tc_get_qdisc").
		saying("Invalid handle")
	qdiscZero = rule("qdisc/zero", mprog.ENOENT,
		"What is deleted must be there.", "tc_get_qdisc").
		saying("Cannot delete qdisc with handle of zero")
	filterPriorityZero = rule("filter/priority-zero", mprog.ENOENT,
		"Priority 0, for which the kernel chooses one, takes CREATE.", "tc_new_tfilter").
		saying("Invalid filter command with priority of zero")
	filterFlush = rule("filter/flush", mprog.ENOENT,
		"To delete all filters of a chain neither a protocol nor a handle is given.", "tc_del_tfilter").
		saying("Cannot flush filters with protocol, handle or kind set")
	filterNoQdisc = rule("filter/no-qdisc", mprog.EINVAL,
		"The device must have the qdisc that the parent names.", "__tcf_qdisc_find").
		saying("Parent Qdisc doesn't exists").
		passing("device $1 has the qdisc")
	filterNoClass = rule("filter/no-class", mprog.ENOENT,
		"The parent must be the ingress or the egress hook of a clsact qdisc; an ingress qdisc takes any.", "__tcf_qdisc_cl_find").
		saying("Specified class doesn't exist")
	filterNoBlock = rule("filter/no-block", mprog.EINVAL,
		"A clsact qdisc itself has no filters.", "__tcf_block_find")
	filterShared = rule("filter/shared-block", mprog.EINVAL,
		"With ifindex 0xffffffff the parent is the number of a block that qdiscs share; here none do.", "__tcf_block_find").
		saying("Block of given index was not found")
	filterChainRange = rule("filter/chain-range", mprog.EINVAL,
		"A chain's number is below 2^28.", "tc_new_tfilter, tc_del_tfilter").
		saying("Specified chain index exceeds upper limit")
	filterNoChain = rule("filter/no-chain", mprog.ENOENT,
		"The chain of the filter to delete must have filters.", "tc_del_tfilter").
		saying("Cannot find specified filter chain")
	filterGetNoChain = rule("filter/get-no-chain", mprog.EINVAL,
		"The chain that is asked for, or of a filter that is, must be there.", "tc_get_tfilter, tc_ctl_chain").
		saying("Cannot find specified filter chain")
	chainExists = rule("chain/exists", mprog.EEXIST,
		"A chain that is made by itself may not be there.", "tc_ctl_chain").
		saying("Filter chain already exists")
	chainCreate = rule("chain/create", mprog.ENOENT,
		"A chain that is made by itself takes CREATE.", "tc_ctl_chain").
		saying("Need both RTM_NEWCHAIN and NLM_F_CREATE to create a new chain")
	filterAutoTaken = rule("filter/auto-taken", mprog.ENOSPC,
		"While priority 32768 is taken the kernel chooses none.", "tcf_chain_tp_find").
		saying("Lowest ID from auto-alloc range already in use")
	filterAutoTakenEarly = rule("filter/auto-taken-before-6.16", mprog.EINVAL,
		"Before Linux 6.16 that error was the one of a priority of another protocol.", "tcf_chain_tp_find").
		saying(notFound)
	filterMismatch = rule("filter/protocol-mismatch", mprog.EINVAL,
		"A protocol that is given must be that of the priority.", "tcf_chain_tp_find").
		saying("Protocol mismatch for filter with specified priority").
		before(6, 16, notFound)
	filterKind = rule("filter/kind", mprog.EINVAL,
		"A kind that is given must be that of the priority's filters.", "tc_new_tfilter, tc_del_tfilter").
		saying("Specified filter kind does not match existing one")
	filterProtocol = rule("filter/protocol", mprog.EINVAL,
		"A new priority takes a protocol and a kind.", "tc_new_tfilter").
		saying("Filter kind and protocol must be specified")
	filterCreate = rule("filter/create", mprog.ENOENT,
		"A new filter takes CREATE.", "tc_new_tfilter").
		saying("Need both RTM_NEWTFILTER and NLM_F_CREATE to create a new filter")
	filterExists = rule("filter/exists", mprog.EEXIST,
		"With EXCL there may be no filter of that handle.", "tc_new_tfilter").
		saying("Filter already exists")
	filterFlags = rule("filter/flags", mprog.EINVAL,
		"A cls_bpf filter takes no flag but direct action.", "cls_bpf_change")
	filterGenFlags = rule("filter/hardware-flags", mprog.EINVAL,
		"TCA_BPF_FLAGS_GEN says to skip the hardware or the software, not both.", "cls_bpf_change")
	filterBadFD = rule("filter/bad-fd", mprog.EBADF,
		"The program's fd must be open.", "cls_bpf_prog_from_efd")
	filterNotProg = rule("filter/not-a-program", mprog.EINVAL,
		"The program's fd must be a program's.", "cls_bpf_prog_from_efd").
		passing("fd $1 is program id $2")
	filterType = rule("filter/type", mprog.EINVAL,
		"Only programs of type SCHED_CLS are filters.", "cls_bpf_prog_from_efd")
	filterGenChange = rule("filter/hardware-change", mprog.EINVAL,
		"A filter that is replaced keeps what it skips.", "cls_bpf_offload")
	filterHardware = rule("filter/hardware", mprog.EOPNOTSUPP,
		"To skip the software takes hardware.", "cls_bpf_offload")
	filterNoPriority = rule("filter/no-priority", mprog.ENOENT,
		"The priority of what is deleted must have filters.", "tc_del_tfilter").
		saying(notFound)
	filterNoHandle = rule("filter/no-handle", mprog.ENOENT,
		"The filter to delete must be there.", "tc_del_tfilter").
		saying("Specified filter handle not found")
)
