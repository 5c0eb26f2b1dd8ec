#!/bin/sh
# Run by scripts/exec.sh on the simulated kernel: what bpftool and ip show of
# programs and devices.
#
# usage: exec-tools.sh ATTACH.PY BPFTOOL
set -eu
attach=$1
bpftool=$2

# has fails unless a text has a pattern.
has() {
	echo "$2" | grep -qE -e "$1" || {
		printf 'exec-tools: expected %s in:\n%s\n' "$1" "$2" >&2
		exit 1
	}
}

ip link add x0 type netkit
ip link set x0 up
shown=$(ip -d link show x0)
has '^[0-9]+: x0@nk[0-9]+: <.*NO-CARRIER.*UP' "$shown"
has 'netkit' "$shown"
has 'x0@' "$(ip link show type netkit)"
ip link set x0 name y0
ip link del y0
if ip link show y0 >/dev/null 2>&1; then
	echo 'exec-tools: y0 is still there' >&2
	exit 1
fi

shown=$(python3 "$attach" nk0 sh -c "$bpftool net show; $bpftool link list; $bpftool prog list")
has '^at revision 1: Stale file handle' "$shown"
has '^revision 3, 2 programs' "$shown"
has 'nk0\([0-9]+\) netkit/primary second prog_id [0-9]+ link_id [0-9]+' "$shown"
has '^[0-9]+: netkit +prog [0-9]+' "$shown"
has 'ifindex nk0\([0-9]+\) +attach_type netkit_primary' "$shown"
has 'sched_cls +name first' "$shown"
has '^revision 1, 0 programs' "$shown"
first=$(echo "$shown" | grep -n 'netkit/primary first' | cut -d: -f1)
second=$(echo "$shown" | grep -n 'netkit/primary second' | cut -d: -f1)
[ "$second" -lt "$first" ] || { echo 'exec-tools: second is not before first' >&2 && exit 1; }
echo 'shown as they are'
