#!/bin/sh
# What iproute2's ip, tc, ss and bridge and bpftool do to netkit devices, and what they
# show then, but for what differs from run to run. It runs in a network namespace that has
# lo alone, with a bpf file system at /sys/fs/bpf.
#
# usage: tools.sh PROGRAMS.O
set -u
programs=$1

# plain leaves out addresses and ids that are chosen, what devices of all kinds have by release, and
# what the simulated kernel does not tell of programs: their machine code, their memory, when they were loaded.
plain() {
	sed -E 's/([0-9a-f]{2}:){5}[0-9a-f]{2}/MAC/g; s/fe80::[0-9a-f:]+/fe80::LL/g
		s/ (gso_|tso_|gro_)[a-z0-9_]+ [0-9]+//g; s/"(gso|tso|gro)_[a-z0-9_]+":[0-9]+,?//g; s/netns-immutable //
		s/"(loaded_at|uid|bytes_memlock|orphaned|bytes_jited|jited)":[^,}]*,?//g; s/,\}/}/g
		/^\t* *(loaded_at .*)?uid [0-9]+$/d; s/ *(not jited|jited [0-9]+B|memlock [0-9]+B)//g; s/ jited( |$)/\1/
		s/(prog_id|link_id|map_ids|id|prog) [0-9]+/\1 N/g; s/"(id|prog_id|prog|link_id)":[0-9]+/"\1":N/g
		s/^[0-9]+: (sched_cls|xdp|tcx|netkit|array|hash)/N: \1/; s/ *$//'
}

# run tells a command, what it prints and how it ends.
run() {
	echo "\$ $*"
	"$@" 2>&1 | plain
}
try() {
	echo "\$ $*"
	"$@" >/tmp/tools.$$ 2>&1
	status=$?
	plain </tmp/tools.$$
	rm -f /tmp/tools.$$
	[ $status = 0 ] || echo "exit status $status"
}

echo "== ip: add, show, attributes, rename, names, flags"
try ip link add nk0 type netkit mode l2 scrub none peer name nk1
try ip link add nk2 type netkit mode l3 forward peer scrub none blackhole name nk3
try ip link add nk0 type netkit
try ip link add bad type netkit mode l2 blackhole peer policy nonsense
run ip -d link show type netkit
run ip -j -d link show dev nk0
try ip link set nk0 up mtu 1400 txqueuelen 7 alias first
try ip link set nk1 up address 02:00:00:00:00:01
try ip link set nk2 address 02:00:00:00:00:02
try ip link property add dev nk1 altname the-other-one
try ip link set the-other-one name pod
run ip -d link show dev pod
try ip link change nk0 type netkit mode l3
try ip link set nk2 type netkit blackhole
try ip link change nk2 type netkit blackhole
run ip -o -d link show dev nk2
try ip link set nk2 arp on multicast off promisc on
run ip -o link show dev nk2
try ip link set nk2 arp off promisc off
run ip -br link show type netkit

echo "== ip: addresses, routes, neighbours, another namespace"
try ip addr add 10.9.0.1/24 dev nk0
try ip -6 addr add fd00:9::1/64 dev nk0 nodad
try ip route add 10.8.0.0/16 via 10.9.0.2 dev nk0
try ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:01 dev nk0
run ip -o addr show dev nk0 scope global
run ip route show dev nk0
run ip neigh show dev nk0
run ip -j route get 10.8.0.7
try ip netns add other
try ip link set pod netns other
run ip -o link show dev nk0
run ip -n other -o link show dev pod
try ip -n other addr add 10.9.0.2/24 dev pod
try ip -n other link set pod up
run ip -o link show dev nk0
ip -n other link set pod netns $$ || echo "exit status $?"
try ip -n other link show pod
try ip -n other link add nk4 type netkit peer name nk5
run ip -n other -br link show type netkit
try ip netns del other

echo "== bridge: a netkit device as a port"
try ip link add br0 type bridge
try ip link set nk0 master br0
run bridge link show dev nk0
run ip -o link show master br0
try ip link set nk0 nomaster
try ip link del br0

echo "== bpftool: programs, maps"
try bpftool prog loadall "$programs" /sys/fs/bpf/programs
run bpftool prog show pinned /sys/fs/bpf/programs/next
run bpftool -j prog show pinned /sys/fs/bpf/programs/pass
run bpftool prog dump xlated pinned /sys/fs/bpf/programs/next
try bpftool map create /sys/fs/bpf/m type hash key 4 value 8 entries 4 name counts
try bpftool map update pinned /sys/fs/bpf/m key 1 0 0 0 value 7 0 0 0 0 0 0 0
try bpftool map update pinned /sys/fs/bpf/m key 1 0 0 0 value 8 0 0 0 0 0 0 0 noexist
run bpftool map lookup pinned /sys/fs/bpf/m key 1 0 0 0
run bpftool map dump pinned /sys/fs/bpf/m
try bpftool map delete pinned /sys/fs/bpf/m key 2 0 0 0
try bpftool map delete pinned /sys/fs/bpf/m key 1 0 0 0
run bpftool map dump pinned /sys/fs/bpf/m

echo "== tc: clsact, filters"
try tc qdisc add dev nk0 clsact
try tc qdisc add dev nk0 clsact
try tc qdisc add dev nk2 ingress
run tc qdisc show dev nk0
run tc -j qdisc show dev nk2
try tc filter add dev nk0 ingress prio 5 handle 1 bpf da pinned /sys/fs/bpf/programs/next
try tc filter add dev nk0 ingress prio 2 protocol ip bpf da pinned /sys/fs/bpf/programs/ok
try tc filter add dev nk0 ingress prio 5 handle 1 bpf da pinned /sys/fs/bpf/programs/ok
try tc filter replace dev nk0 ingress prio 5 handle 1 bpf da pinned /sys/fs/bpf/programs/ok
try tc filter add dev nk0 egress bpf da pinned /sys/fs/bpf/programs/next
try tc filter add dev nk0 egress chain 3 bpf da pinned /sys/fs/bpf/programs/next
run tc filter show dev nk0 ingress
run tc -j filter show dev nk0 egress
run tc chain show dev nk0 egress
run tc filter get dev nk0 ingress prio 5 handle 1 protocol all bpf
try tc filter del dev nk0 ingress prio 7
try tc filter del dev nk0 ingress prio 5
run tc filter show dev nk0 ingress
try tc filter add dev nk2 egress bpf da pinned /sys/fs/bpf/programs/next

echo "== bpftool: hooks"
try bpftool net attach tcx_ingress pinned /sys/fs/bpf/programs/next dev nk0
try bpftool net attach tcx_egress pinned /sys/fs/bpf/programs/next dev lo
try bpftool net attach xdpgeneric pinned /sys/fs/bpf/programs/pass dev nk0
try bpftool net attach xdpgeneric pinned /sys/fs/bpf/programs/pass dev nk0
run bpftool net show
run bpftool -j net show dev nk0
run ip -o link show dev nk0
try bpftool net detach xdpgeneric dev nk0
try bpftool net detach tcx_ingress dev nk0
try bpftool net detach tcx_ingress dev nk0
try ip link set dev nk2 xdpgeneric pinned /sys/fs/bpf/programs/pass
run ip -o link show dev nk2
try ip link set dev nk2 xdpgeneric off
run bpftool net show
run bpftool link show
try tc qdisc del dev nk0 clsact
run tc filter show dev nk0 ingress
try tc qdisc del dev nk0 clsact

echo "== ss, and the end"
run ss -H -tuln
try ip link del nk0
try ip link show pod
run ip -br link show type netkit
