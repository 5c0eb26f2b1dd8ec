# What is recorded by TestRecordings, one by its name. $AGENT keeps programs attached, as
# agents do; where a tool is missing, the script says so and exits with 77.
need() { for tool; do command -v "$tool" >/dev/null || { echo "there is no $tool"; exit 77; }; done; }
other() { # the name of the other end of a pair
	ip -o link show | sed -n "s/^[0-9]*: \([^@]*\)@$1.*/\1/p"
}
await() { # until a device or a namespace's simulation is gone
	for _ in 1 2 3 4 5 6 7 8 9 10; do ip link show "$1" >/dev/null 2>&1 || return 0; sleep 0.1; done
}
bpf=/sys/fs/bpf
need ip
case $1 in
upsert)
	ip link add a0 type netkit
	$AGENT upsert v1 a0 $bpf/a0
	$AGENT upsert v2 a0 $bpf/a0
	rm $bpf/a0
	$AGENT list a0
	;;
elsewhere) # the pair is deleted where its other end is
	need unshare nsenter
	ip link add a0 type netkit
	peer=$(other a0)
	$AGENT upsert v1 a0 $bpf/a0
	unshare -n sleep 5 &
	sleep 0.3
	ip link set "$peer" netns $!
	nsenter -t $! -n ip link delete "$peer"
	kill $!
	! $AGENT upsert v2 a0 $bpf/a0
	;;
ends) # a namespace ends in which programs are attached, and which has a pair's other end
	need nsenter
	ip link add a0 type netkit
	peer=$(other a0)
	$AGENT upsert v1 a0 $bpf/a0
	ip netns add blue
	ip link set "$peer" netns blue
	nsenter --net=/run/netns/blue $AGENT upsert v2 lo $bpf/lo
	nsenter --net=/run/netns/blue $AGENT once v3 lo
	ip netns delete blue
	await a0
	$AGENT upsert v4 lo $bpf/first
	;;
inside) # a pair that is made in another namespace
	need nsenter
	ip netns add blue
	ip -n blue link add a0 type netkit
	nsenter --net=/run/netns/blue $AGENT upsert v1 a0 $bpf/a0
	nsenter --net=/run/netns/blue $AGENT upsert v2 a0 $bpf/a0
	nsenter --net=/run/netns/blue $AGENT before v3 a0
	rm $bpf/a0
	;;
again) # devices of one name
	for i in 1 2 3; do
		ip link add a0 type netkit
		$AGENT upsert v1 a0 $bpf/a$i
		ip link delete a0
	done
	;;
renamed)
	ip link add a0 type netkit
	ip link set a0 name b0
	$AGENT upsert v1 b0 $bpf/b0
	ip link set b0 name c0
	$AGENT upsert v2 c0 $bpf/b0
	;;
byid) # programs are opened by their ids
	$AGENT upsert v1 lo $bpf/lo
	$AGENT before v2 lo
	$AGENT list lo
	;;
tc)
	need tc
	ip link add a0 type netkit
	$AGENT pin v1 $bpf/v1
	tc qdisc add dev a0 clsact
	tc filter add dev a0 ingress bpf da object-pinned $bpf/v1
	tc filter show dev a0 ingress
	tc filter del dev a0 ingress
	tc qdisc del dev a0 clsact
	;;
bpftool)
	need bpftool
	$AGENT upsert v1 lo $bpf/lo
	bpftool prog show
	bpftool prog pin id 1 $bpf/v1
	bpftool link detach id 1
	bpftool link show
	;;
veth) # a device of the running kernel's
	ip link add v0 type veth peer name v1 || exit 77
	$AGENT upsert v1 v0 $bpf/v0
	ip link delete v0
	;;
*) exit 2 ;;
esac
