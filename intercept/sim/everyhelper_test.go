package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/mprog"
)

// judges are the tests in which the running kernel judges what helpers answer, with the
// helpers of which each must have compared an answer.
var judges = map[string]string{
	"TestJudgeKernelMemory": `get_listener_sock probe_read_kernel probe_read_kernel_str sk_fullsock`,
	"TestJudgeSKB": `check_mtu clone_redirect csum_diff csum_level csum_update get_cgroup_classid get_hash_recalc get_numa_node_id get_route_realm
		get_socket_cookie get_socket_uid l3_csum_replace l4_csum_replace redirect redirect_neigh redirect_peer set_hash set_hash_invalid
		skb_adjust_room skb_change_head skb_change_proto skb_change_tail skb_change_type skb_ecn_set_ce skb_get_tunnel_key
		skb_get_tunnel_opt skb_get_xfrm_state skb_load_bytes skb_load_bytes_relative skb_pull_data skb_set_tstamp skb_set_tunnel_key
		skb_set_tunnel_opt skb_store_bytes skb_vlan_pop skb_vlan_push`,
	"TestJudgeCgroup":  `get_local_storage`,
	"TestJudgeNumbers": `strtol strtoul`,
	"TestJudgeXDP":     `redirect_map xdp_adjust_head xdp_adjust_meta xdp_adjust_tail xdp_get_buff_len xdp_load_bytes xdp_store_bytes`,
	"TestJudgeTask": `cgrp_storage_delete cgrp_storage_get current_task_under_cgroup get_current_ancestor_cgroup_id get_current_cgroup_id
		get_current_comm get_current_pid_tgid get_current_task get_current_task_btf get_current_uid_gid get_netns_cookie probe_read_user
		probe_read_user_str skb_ancestor_cgroup_id skb_cgroup_classid skb_cgroup_id skb_under_cgroup task_storage_delete task_storage_get`,
	"TestJudgeFormats": `snprintf strncmp trace_printk trace_vprintk`,
	"TestJudgeTimers":  `timer_cancel timer_init timer_set_callback timer_start`,
	"TestJudgeTail":    `tail_call`,
	"TestJudgeSockets": `sk_ancestor_cgroup_id sk_assign sk_cgroup_id sk_lookup_tcp sk_lookup_udp sk_release sk_storage_delete sk_storage_get skc_lookup_tcp
		skc_to_mptcp_sock skc_to_tcp6_sock skc_to_tcp_request_sock skc_to_tcp_sock skc_to_tcp_timewait_sock skc_to_udp6_sock
		skc_to_unix_sock tcp_check_syncookie tcp_gen_syncookie tcp_raw_gen_syncookie_ipv4 tcp_raw_gen_syncookie_ipv6 tcp_sock`,
	"TestJudgeRings": `dynptr_data dynptr_from_mem dynptr_read dynptr_write ringbuf_discard ringbuf_discard_dynptr ringbuf_output ringbuf_query
		ringbuf_reserve ringbuf_reserve_dynptr ringbuf_submit ringbuf_submit_dynptr`,
	"TestJudgeMaps": `for_each_map_elem loop map_delete_elem map_lookup_elem map_lookup_percpu_elem map_peek_elem map_pop_elem map_push_elem
		map_update_elem spin_lock spin_unlock`,
}

// unjudged are helpers that are simulated and that no test run can judge, and why.
var unjudged = map[string]string{
	"fib_lookup":                   "judged by TestRoutes of package intercept, which has routes",
	"get_prandom_u32":              "is random",
	"get_smp_processor_id":         "programs run on processor 0 here",
	"jiffies64":                    "is a time",
	"ktime_get_boot_ns":            "is a time",
	"ktime_get_coarse_ns":          "is a time",
	"ktime_get_ns":                 "is a time",
	"ktime_get_tai_ns":             "is a time",
	"perf_event_output":            "of events",
	"tcp_raw_check_syncookie_ipv4": "fails where it is executed, as it takes a secret of the kernel's",
	"tcp_raw_check_syncookie_ipv6": "fails where it is executed, as it takes a secret of the kernel's",
}

// judgeOf returns the test that has a helper judged, "" if there is none.
func judgeOf(helper string) string {
	for test, list := range judges {
		if slices.Contains(strings.Fields(list), helper) {
			return test
		}
	}
	return ""
}

// packetTypes are those of programs that run here.
var packetTypes = []string{"socket_filter", "sched_cls", "xdp", "cgroup_skb"}

// TestEveryHelper has each helper that a release permits to programs that run called: it is
// simulated and judged, or the run fails and says its name, once a program.
func TestEveryHelper(t *testing.T) {
	entries, err := helperFiles.ReadDir("helpers")
	require.NoError(t, err)
	silent, told := 0, map[string]bool{}
	for _, e := range entries {
		may, err := readFile(helperFiles, "helpers", e.Name())
		require.NoError(t, err)
		permitted, err := readPermissions(may)
		require.NoError(t, err)
		for _, typ := range packetTypes {
			for number := range permitted.types[typ] {
				name := machine.HelperName(number)
				require.NotEmpty(t, name, "helper %d of Linux %s", number, e.Name())
				switch {
				case machine.Simulates(number) && judgeOf(name) == "" && unjudged[name] == "":
					t.Errorf("bpf_%s is simulated, and nothing judges it", name)
					silent++
				case !machine.Simulates(number):
					fails(t, e.Name(), typ, number, name)
					told[name] = true
				}
			}
		}
	}
	t.Logf("%d helpers are not simulated and say so", len(told))
}

// fails has a program call a helper, twice.
func fails(t *testing.T, release, typ string, number int32, name string) {
	t.Helper()
	var warnings []string
	p := newProcess(t, Options{Warn: func(text string) { warnings = append(warnings, text) }})
	p.sim = New(fake.New(fake.Linux(release)), Options{Warn: func(text string) { warnings = append(warnings, text) }})
	insns := []byte{0x85, 0, 0, 0, byte(number), byte(number >> 8), 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0}
	fd := p.must(5, attrOf(slices.Index(progTypes, typ), 2, p.put(insns), p.put([]byte("GPL\x00")), 0, 0, uint64(0), 0, 0, ""))
	for range 2 {
		_, _, errno := p.call(10, attrOf(fd, 0, 64, 0, p.put(make([]byte, 64)), uint64(0), 1, 0))
		require.Equal(t, mprog.EOPNOTSUPP, errno, "bpf_%s of %s on Linux %s", name, typ, release)
	}
	require.Len(t, warnings, 1, "bpf_%s of %s on Linux %s", name, typ, release)
	require.Contains(t, warnings[0], fmt.Sprintf("helper bpf_%s: not simulated: its packets are dropped", name))
}
