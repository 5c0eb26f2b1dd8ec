package sim

import (
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// Program types (enum bpf_prog_type).
const (
	progKprobe        = 2
	progTracepoint    = 5
	progPerfEvent     = 7
	progCgroupSkb     = 8
	progCgroupSock    = 9
	progSockOps       = 13
	progSkSkb         = 14
	progCgroupDevice  = 15
	progSkMsg         = 16
	progRawTracepoint = 17
	progSockAddr      = 18
	progLirc          = 20
	progFlowDissector = 22
	progSysctl        = 23
	progRawWritable   = 24
	progSockopt       = 25
	progTracing       = 26
	progStructOps     = 27
	progExt           = 28
	progLSM           = 29
	progSkLookup      = 30
	progNetfilter     = 32
)

// Attach types (enum bpf_attach_type).
const (
	traceRawTP      mprog.AttachType = 23
	traceFentry     mprog.AttachType = 24
	traceFexit      mprog.AttachType = 25
	modifyReturn    mprog.AttachType = 26
	lsmMac          mprog.AttachType = 27
	traceIter       mprog.AttachType = 28
	flowDissector   mprog.AttachType = 17
	skLookup        mprog.AttachType = 36
	attachPerf      mprog.AttachType = 41
	kprobeMulti     mprog.AttachType = 42
	lsmCgroup       mprog.AttachType = 43
	attachStructOps mprog.AttachType = 44
	attachNetfilter mprog.AttachType = 45
	uprobeMulti     mprog.AttachType = 48
	kprobeSession   mprog.AttachType = 56
	uprobeSession   mprog.AttachType = 57
	traceFsession   mprog.AttachType = 58
)

// attachNames are the names of attach types as bpftool has them.
var attachNames = [...]string{
	"cgroup_inet_ingress", "cgroup_inet_egress", "cgroup_inet_sock_create", "cgroup_sock_ops", "sk_skb_stream_parser",
	"sk_skb_stream_verdict", "cgroup_device", "sk_msg_verdict", "cgroup_inet4_bind", "cgroup_inet6_bind",
	"cgroup_inet4_connect", "cgroup_inet6_connect", "cgroup_inet4_post_bind", "cgroup_inet6_post_bind",
	"cgroup_udp4_sendmsg", "cgroup_udp6_sendmsg", "lirc_mode2", "flow_dissector", "cgroup_sysctl", "cgroup_udp4_recvmsg",
	"cgroup_udp6_recvmsg", "cgroup_getsockopt", "cgroup_setsockopt", "tp_btf", "fentry", "fexit", "fmod_ret", "lsm", "iter",
	"cgroup_inet4_getpeername", "cgroup_inet6_getpeername", "cgroup_inet4_getsockname", "cgroup_inet6_getsockname",
	"xdp_devmap", "cgroup_inet_sock_release", "xdp_cpumap", "sk_lookup", "xdp", "sk_skb_verdict", "sk_reuseport_select",
	"sk_reuseport_select_or_migrate", "perf_event", "kprobe_multi", "lsm_cgroup", "struct_ops", "netfilter", "tcx_ingress",
	"tcx_egress", "uprobe_multi", "cgroup_unix_connect", "cgroup_unix_sendmsg", "cgroup_unix_recvmsg",
	"cgroup_unix_getpeername", "cgroup_unix_getsockname", "netkit_primary", "netkit_peer", "kprobe_session",
	"uprobe_session", "fsession",
}

func attachName(t mprog.AttachType) string {
	if int(t) < len(attachNames) {
		return attachNames[t]
	}
	return t.String()
}

// programTypes is attach_type_to_prog_type.
var programTypes = map[mprog.AttachType]uint32{
	0: progCgroupSkb, 1: progCgroupSkb, 2: progCgroupSock, 34: progCgroupSock, 12: progCgroupSock, 13: progCgroupSock,
	3: progSockOps, 4: progSkSkb, 5: progSkSkb, 38: progSkSkb, 6: progCgroupDevice, 7: progSkMsg,
	8: progSockAddr, 9: progSockAddr, 10: progSockAddr, 11: progSockAddr, 14: progSockAddr, 15: progSockAddr,
	19: progSockAddr, 20: progSockAddr, 29: progSockAddr, 30: progSockAddr, 31: progSockAddr, 32: progSockAddr,
	49: progSockAddr, 50: progSockAddr, 51: progSockAddr, 52: progSockAddr, 53: progSockAddr,
	16: progLirc, flowDissector: progFlowDissector, 18: progSysctl, 21: progSockopt, 22: progSockopt,
	traceRawTP: progTracing, traceFentry: progTracing, traceFexit: progTracing, modifyReturn: progTracing, traceIter: progTracing,
	traceFsession: progTracing, lsmMac: progLSM, lsmCgroup: progLSM, skLookup: progSkLookup,
	mprog.XDPDevice: uint32(mprog.XDP), mprog.TCXIngress: uint32(mprog.SchedCLS), mprog.TCXEgress: uint32(mprog.SchedCLS),
	mprog.NetkitPrimary: uint32(mprog.SchedCLS), mprog.NetkitPeer: uint32(mprog.SchedCLS),
}

// attachSince are the releases with which attach types came that Linux 6.1 does not
// have.
var attachSince = []struct {
	from  mprog.AttachType
	since fake.Release
}{
	{attachNetfilter, fake.Version(6, 4)}, {mprog.TCXIngress, fake.Version(6, 6)}, {49, fake.Version(6, 7)},
	{kprobeSession, fake.Version(6, 10)}, {uprobeSession, fake.Version(6, 13)}, {traceFsession, fake.Version(7, 0)},
	{59, fake.Version(7, 2)},
}

// knows reports whether the release has an attach type.
func (s *Sim) knows(t mprog.AttachType) bool {
	for i := len(attachSince) - 1; i >= 0; i-- {
		if t >= attachSince[i].from {
			return !s.kernel.Running().Before(attachSince[i].since)
		}
	}
	return true
}

// programType is attach_type_to_prog_type on the release; 0 for none.
func (k *call) programType(t mprog.AttachType) uint32 {
	if !k.knows(t) {
		return 0
	}
	return programTypes[t]
}

// ofCgroup is is_cgroup_prog_type.
func ofCgroup(typ uint32, t mprog.AttachType) bool {
	switch typ {
	case progCgroupSkb, progCgroupSock, progSockOps, progCgroupDevice, progSockAddr, progSysctl, progSockopt:
		return true
	case progLSM:
		return t == lsmCgroup
	}
	return false
}

// fits is bpf_prog_attach_check_attach_type.
func (k *call) fits(p *program, t mprog.AttachType) error {
	ok := true
	switch p.typ {
	case progCgroupSock, progSockAddr, progSockopt, progSkLookup:
		ok = uint32(t) == p.attach
	case progCgroupSkb:
		if !k.caller.Capable(mprog.CapNetAdmin) && !k.caller.Capable(mprog.CapSysAdmin) {
			return refuse("capability/net-admin", mprog.EPERM, "the caller lacks CAP_NET_ADMIN")
		}
		ok = k.programType(t) == p.typ && (p.attach == 0 || uint32(t) == p.attach)
	case progExt:
	case progNetfilter:
		ok = t == attachNetfilter
	case progPerfEvent, progTracepoint:
		ok = t == attachPerf
	case progKprobe:
		multi := t == kprobeMulti || t == kprobeSession || t == uprobeMulti || t == uprobeSession
		ok = k.knows(t) && (multi || t == attachPerf)
		switch expected := mprog.AttachType(p.attach); expected {
		case kprobeMulti, kprobeSession, uprobeMulti, uprobeSession:
			ok = ok && t == expected
		}
	default:
		ok = k.programType(t) == p.typ && p.typ != 0
	}
	if !ok {
		return refuse("attach-type/mismatch", mprog.EINVAL, "attach type %s takes no such program (type %d, for attach type %s)",
			attachName(t), p.typ, attachName(mprog.AttachType(p.attach)))
	}
	return nil
}

// attachmentOf names a kind of attachments for who has it refused.
func attachmentOf(p *program, t mprog.AttachType) string {
	switch {
	case ofCgroup(p.typ, t):
		return "cgroup"
	case t == traceIter:
		return "iter"
	case p.typ == progLSM:
		return "lsm"
	case p.typ == progExt:
		return "freplace"
	case p.typ == progTracing:
		return "tracing"
	case p.typ == progFlowDissector, p.typ == progSkLookup:
		return "netns"
	case p.typ == progSkMsg, p.typ == progSkSkb:
		return "sockmap"
	case p.typ == progNetfilter:
		return "netfilter"
	case t == attachPerf:
		return "perf_link"
	case t == kprobeMulti, t == kprobeSession:
		return "kprobe_multi"
	}
	return "uprobe_multi"
}

// RefusedKinds are what [Options.Refuse] can name, and what a kernel that is built
// without it answers.
var RefusedKinds = map[string]mprog.Errno{
	"cgroup": mprog.EINVAL, "iter": mprog.EINVAL, "lsm": mprog.EINVAL, "freplace": mprog.EOPNOTSUPP, "tracing": mprog.EOPNOTSUPP,
	"netns": mprog.EOPNOTSUPP, "sockmap": mprog.EINVAL, "netfilter": mprog.EOPNOTSUPP, "perf_link": mprog.EOPNOTSUPP,
	"kprobe_multi": mprog.EOPNOTSUPP, "uprobe_multi": mprog.EOPNOTSUPP, "raw_tracepoint": mprog.ENOENT,
	"struct_ops": mprog.EOPNOTSUPP, "kprobe": mprog.ENOENT, "uprobe": mprog.ENOENT, "tracepoint": mprog.ENOENT,
	"perf_event": mprog.ENOENT, "socket_filter": mprog.EINVAL,
}

// refusedKind refuses what the user wants refused.
func (k *call) refusedKind(kind string) error {
	if errno, ok := k.refused[kind]; ok {
		return refuse("refused/kind", errno, "--refuse %s", kind)
	}
	return nil
}
