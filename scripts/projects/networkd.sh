#!/bin/sh
# systemd-networkd sets up the two ends of a netkit pair by files of kind .network: an
# MTU, addresses, a route, a neighbour. It prints what came of it, but for what differs
# from run to run. It runs as root of a network and a mount namespace.
#
# usage: networkd.sh COMMAND... (which starts systemd-networkd)
set -u
scratch=$(mktemp -d)
{ grep -v '^systemd-network:' /etc/passwd; echo 'systemd-network:x:0:0::/:/bin/sh'; } >"$scratch/passwd"
mount --bind "$scratch/passwd" /etc/passwd # it wants this user, of which namespaces may have none
mount -o remount,ro,bind /sys # which says that there is no udev
mkdir -p /run/systemd
mount -t tmpfs -o mode=755 none /run/systemd
mkdir -p /run/systemd/network

common='LinkLocalAddressing=no
IPv6AcceptRA=no
LLDP=no'
cat >/run/systemd/network/10-host.network <<N
[Match]
Kind=netkit
Name=host0

[Link]
MTUBytes=1400

[Network]
Address=10.9.0.1/24
Address=fd00:9::1/64
ConfigureWithoutCarrier=yes
$common

[Route]
Destination=10.8.0.0/16
Gateway=10.9.0.2

[Neighbor]
Address=10.9.0.2
LinkLayerAddress=02:00:00:00:00:02
N
cat >/run/systemd/network/20-pod.network <<N
[Match]
Kind=netkit
Name=pod*

[Network]
Address=10.9.0.2/24
$common
N

"$@" >"$scratch/log" 2>&1 &
daemon=$!
# configured waits for it to have set up a device.
configured() {
	for _ in $(seq 60); do
		grep -qs ADMIN_STATE=configured "/run/systemd/netif/links/$(cat "/sys/class/net/$1/ifindex" 2>/dev/null)" && return
		sleep 0.5
	done
	echo "$1 is not configured"
	cat "$scratch/log"
}
ip link add host0 type netkit # it must learn of it
peer=$(ip -o link show type netkit | sed -n 's/^[0-9]*: \([^@]*\)@host0:.*/\1/p')
ip link set "$peer" name pod0
for device in host0 pod0; do
	configured $device
	echo "== $device"
	ip -d -o link show $device | sed 's/^[0-9]*: //; s/ qdisc.*//'
	ip -o addr show $device | sed 's/^[0-9]*: //; s/ *$//'
	ip route show dev $device | sed 's/ *$//'
	ip neigh show dev $device nud permanent | sed 's/ *$//'
	grep -E '^(ADMIN|OPER|CARRIER|ADDRESS|ONLINE)_STATE=|^NETWORK_FILE=' "/run/systemd/netif/links/$(cat /sys/class/net/$device/ifindex)"
done
kill $daemon
wait $daemon
echo "systemd-networkd: exit status $?"
