package machine

// Numbers of errno that helpers return.
const (
	noPermission  = 1   // EPERM
	noEntry       = 2   // ENOENT
	tooBig        = 7   // E2BIG
	tryAgain      = 11  // EAGAIN
	noMemory      = 12  // ENOMEM
	noAccess      = 13  // EACCES
	fault         = 14  // EFAULT
	noDevice      = 19  // ENODEV
	invalid       = 22  // EINVAL
	outOfRange    = 34  // ERANGE
	badProtocol   = 71  // EPROTO
	notOperation  = 95  // EOPNOTSUPP
	noFamily      = 97  // EAFNOSUPPORT
	already       = 114 // EALREADY
	notSupported  = 524 // ENOTSUPP, which is the kernel's own
	highestOffset = 0xffff
)

func failed(errno int) uint64 { return uint64(-int64(errno)) }

// helper is one of the kernel's functions for programs: with its arguments in r1
// to r5. An error ends the run, since it is nothing that a kernel would answer.
type helper func(*run) (uint64, error)

// helpers are by number; nil for one that is not simulated.
var helpers []helper

func init() { // a table that its own functions refer to
	helpers = make([]helper, len(helperNames))
	byName := helpersByName()
	for number, name := range helperNames {
		helpers[number] = byName[name]
	}
}

func constant(v uint64) helper { return func(*run) (uint64, error) { return v, nil } }

func now(m *run) (uint64, error) { return m.world.Now(), nil }

// tickLength is a jiffy, in nanoseconds (CONFIG_HZ_250).
const tickLength = 4_000_000

func helpersByName() map[string]helper {
	return map[string]helper{
		"map_lookup_elem":        (*run).mapLookup,
		"map_update_elem":        (*run).mapUpdate,
		"map_delete_elem":        (*run).mapDelete,
		"map_lookup_percpu_elem": (*run).mapLookupPerCPU,
		"map_push_elem":          (*run).mapPush,
		"map_pop_elem":           func(m *run) (uint64, error) { return m.mapPop(true) },
		"map_peek_elem":          func(m *run) (uint64, error) { return m.mapPop(false) },
		"for_each_map_elem":      (*run).forEachElement,
		"loop":                   (*run).repeat,
		"spin_lock":              constant(0), // runs are one after the other
		"spin_unlock":            constant(0),

		"ktime_get_ns":         now,
		"ktime_get_boot_ns":    now,
		"ktime_get_coarse_ns":  now,
		"ktime_get_tai_ns":     now,
		"jiffies64":            func(m *run) (uint64, error) { return m.world.Now() / tickLength, nil },
		"get_prandom_u32":      func(m *run) (uint64, error) { return uint64(m.world.Random()), nil },
		"get_smp_processor_id": constant(0),
		"get_numa_node_id":     constant(0),

		"timer_init":         (*run).timerInit,
		"timer_set_callback": (*run).timerCallback,
		"timer_start":        (*run).timerStart,
		"timer_cancel":       (*run).timerCancel,

		"trace_printk":  (*run).tracePrintk,
		"trace_vprintk": (*run).traceVprintk,
		"snprintf":      (*run).snprintf,
		"strtol":        (*run).parseSigned,
		"strtoul":       (*run).parseUnsigned,
		"strncmp":       (*run).compareStrings,

		"ringbuf_output":         (*run).ringOutput,
		"ringbuf_reserve":        (*run).ringReserve,
		"ringbuf_submit":         func(m *run) (uint64, error) { return 0, m.ringFinish(0) },
		"ringbuf_discard":        func(m *run) (uint64, error) { return 0, m.ringFinish(ringDiscarded) },
		"ringbuf_query":          (*run).ringQuery,
		"ringbuf_reserve_dynptr": (*run).ringReserveDynptr,
		"ringbuf_submit_dynptr":  func(m *run) (uint64, error) { return 0, m.ringFinishDynptr(0) },
		"ringbuf_discard_dynptr": func(m *run) (uint64, error) { return 0, m.ringFinishDynptr(ringDiscarded) },
		"perf_event_output":      (*run).perfOutput,

		"get_current_task":     ofTask(currentTask),
		"get_current_task_btf": ofTask(currentTask),
		"probe_read_user":      ofTask(readUser),
		"probe_read_user_str":  ofTask(readUserText),
		"task_storage_get":     ofOwner(taskOwner, (*run).stored, 0),
		"task_storage_delete":  ofOwner(taskOwner, (*run).forget, failed(invalid)),
		"cgrp_storage_get":     ofOwner(cgroupOwner, (*run).stored, 0),
		"cgrp_storage_delete":  ofOwner(cgroupOwner, (*run).forget, failed(invalid)),
		"get_local_storage":    (*run).localStorage,

		"get_current_pid_tgid":           ofTask(taskIDs),
		"get_current_uid_gid":            ofTask(taskOwners),
		"get_current_comm":               ofTask(taskName),
		"get_current_cgroup_id":          ofTask(taskCgroup),
		"get_current_ancestor_cgroup_id": ofTask(taskAncestor),
		"skb_cgroup_id":                  ofSender(senderCgroup),
		"skb_ancestor_cgroup_id":         ofSender(senderAncestor),
		"sk_cgroup_id":                   ofSocket(senderCgroup),
		"sk_ancestor_cgroup_id":          ofSocket(senderAncestor),
		"skb_under_cgroup":               (*run).senderUnder,
		"current_task_under_cgroup":      ofTask(taskUnder),
		"get_netns_cookie":               (*run).netnsCookie,

		"probe_read":            (*run).probeRead,
		"probe_read_str":        (*run).probeText,
		"probe_read_kernel":     (*run).probeRead,
		"probe_read_kernel_str": (*run).probeText,

		"dynptr_from_mem": (*run).dynptrFromMemory,
		"dynptr_read":     (*run).dynptrRead,
		"dynptr_write":    (*run).dynptrWrite,
		"dynptr_data":     (*run).dynptrData,

		"skb_load_bytes":          (*run).skbLoadBytes,
		"skb_load_bytes_relative": (*run).skbLoadRelative,
		"skb_store_bytes":         (*run).skbStoreBytes,
		"skb_pull_data":           (*run).pullData,
		"skb_change_type":         (*run).changeType,
		"skb_change_proto":        (*run).changeProtocol,
		"skb_change_head":         (*run).changeHead,
		"skb_change_tail":         (*run).changeTail,
		"skb_adjust_room":         (*run).adjustRoom,
		"skb_vlan_push":           (*run).vlanPush,
		"skb_vlan_pop":            (*run).vlanPop,
		"skb_get_tunnel_key":      (*run).getTunnelKey,
		"skb_set_tunnel_key":      (*run).setTunnelKey,
		"skb_get_tunnel_opt":      (*run).getTunnelOptions,
		"skb_set_tunnel_opt":      (*run).setTunnelOptions,
		"skb_set_tstamp":          (*run).setTime,
		"skb_ecn_set_ce":          (*run).congestion,
		"skb_get_xfrm_state":      (*run).transformation,
		"get_hash_recalc":         (*run).recalculateHash,
		"set_hash":                (*run).setHash,
		"set_hash_invalid":        (*run).invalidateHash,
		"get_cgroup_classid":      constant(0), // no cgroup has one
		"get_route_realm":         constant(0), // no route has one

		"l3_csum_replace": (*run).replaceL3,
		"l4_csum_replace": (*run).replaceL4,
		"csum_diff":       (*run).diffChecksum,
		"csum_update":     (*run).updateChecksum,
		"csum_level":      (*run).levelChecksum,

		"redirect":       (*run).redirect,
		"redirect_peer":  (*run).redirectPeer,
		"redirect_neigh": (*run).redirectNeighbour,
		"redirect_map":   (*run).redirectMap,
		"clone_redirect": (*run).cloneRedirect,
		"check_mtu":      (*run).checkMTU,
		"fib_lookup":     (*run).lookUpRoute,

		"sk_lookup_tcp":     lookUpSocket(protocolTCP, true),
		"sk_lookup_udp":     lookUpSocket(protocolUDP, true),
		"skc_lookup_tcp":    lookUpSocket(protocolTCP, false),
		"sk_fullsock":       (*run).fullSocket,
		"sk_release":        (*run).releaseSocket,
		"sk_assign":         (*run).assignSocket,
		"tcp_sock":          (*run).tcpSocket,
		"sk_storage_get":    (*run).socketStorage,
		"sk_storage_delete": (*run).forgetSocket,

		"skc_to_tcp_sock":          castSocket("tcp_sock", (*Socket).tcp),
		"skc_to_tcp6_sock":         castSocket("tcp6_sock", (*Socket).tcp6),
		"skc_to_udp6_sock":         castSocket("udp6_sock", (*Socket).udp6),
		"skc_to_tcp_timewait_sock": castSocket("tcp_timewait_sock", (*Socket).timeWait),
		"skc_to_tcp_request_sock":  castSocket("tcp_request_sock", (*Socket).request),
		"skc_to_mptcp_sock":        (*run).castMPTCP,
		"skc_to_unix_sock":         constant(0), // none is of such

		"tcp_check_syncookie":          (*run).checkCookie,
		"tcp_gen_syncookie":            (*run).makeCookie,
		"tcp_raw_gen_syncookie_ipv4":   (*run).makeRawCookie,
		"tcp_raw_gen_syncookie_ipv6":   (*run).makeRawCookie,
		"tcp_raw_check_syncookie_ipv4": secret,
		"tcp_raw_check_syncookie_ipv6": secret,
		"get_listener_sock":            (*run).listener,
		"skb_cgroup_classid":           constant(0), // no cgroup has one
		"get_socket_cookie":            (*run).socketCookie,
		"get_socket_uid":               (*run).socketUser,

		"xdp_adjust_head":  (*run).xdpAdjustHead,
		"xdp_adjust_meta":  (*run).xdpAdjustMeta,
		"xdp_adjust_tail":  (*run).xdpAdjustTail,
		"xdp_load_bytes":   (*run).xdpLoadBytes,
		"xdp_store_bytes":  (*run).xdpStoreBytes,
		"xdp_get_buff_len": func(m *run) (uint64, error) { return uint64(m.packet.length()), nil },
	}
}
