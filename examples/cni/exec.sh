#!/bin/sh
# The whole command on the simulated kernel, as an ordinary user may run it: what it
# does, a fault, and a rival that deletes the device between the link and its pin.
#
# usage: exec.sh [NKCONFORM AGENT]
# The programs are built unless they are given.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ $# -eq 2 ]; then
	nkconform=$1 agent=$2
else
	go build -o "$work" ./cmd/nkconform ./examples/cni/cmd/cni-agent
	nkconform=$work/nkconform agent=$work/cni-agent
fi
cd "$work"

fail() {
	echo "exec.sh: $*" >&2
	exit 1
}

run() { "$nkconform" exec --device nk0,nk1 --strict "$@" -- "$agent" nk0 10.0.0.1/24; }

run --record trace >out
grep -q '^added nk0$' out || fail "not added"
grep -q 'link l1 nk0:primary from_container .*= revision 2 \[from_container@l1\]' trace || fail "not attached"

! run --fail link-create@nk0=ENOMEM 2>err || fail "a fault that nobody notices"
grep -q 'cannot allocate memory' err || fail "another error than the fault's"

cat >rival.trace <<'TRACE'
# The device goes in the worst moment.
# rule: order/before
need netkit
netkit nk0 nk1
delete nk0
TRACE
run --rival obj-pin:1=rival.trace >out
grep -q '^added nk0$' out || fail "the agent is not expected to notice"
echo "ok: added, a fault noticed, a rival not noticed"
