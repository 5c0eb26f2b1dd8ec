#!/usr/bin/env bash
# What probes find on the simulated kernel is what they find on a real one: bpftool's
# list of features, and with FEATURES the tests of cilium/ebpf's package of that name.
#
# usage: probe.sh [RELEASE...]    default: 6.12 6.18 7.1 7.3
#   BPFTOOL=path     another bpftool
#   FEATURES=path    such a test program (go test -c)
#
# Lines differ where the guest has fewer: what bpftool says of no configuration is the
# same on both, as neither has one to read.
set -euo pipefail
cd "$(dirname "$0")/.."
bpftool=${BPFTOOL:-$(PATH=$PATH:/usr/sbin command -v bpftool)} || {
	echo 'probe.sh: no bpftool on this machine: nothing is compared' >&2
	exit 0
}
[ $# -gt 0 ] || set -- 6.12 6.18 7.1 7.3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
CGO_ENABLED=0 go build -o "$dir/nkconform" ./cmd/nkconform
nkconform=$dir/nkconform
status=0

# compare NAME COMMAND... runs a command on both, and shows which lines differ.
compare() {
	local name=$1
	shift
	"$nkconform" vm --bare --with "$1" "debian:$release" -- "$@" >"$dir/kernel" 2>"$dir/kernel.err" || true
	"$nkconform" exec --kernel "$release" -- "$@" >"$dir/simulated" 2>"$dir/simulated.err" || true
	for side in kernel simulated; do
		[ -s "$dir/$side" ] || {
			echo "probe.sh: $name says nothing on the $side $release:" >&2
			tail -3 "$dir/$side.err" >&2
			exit 2
		}
		# How long a test took, and in which order, is nobody's business.
		case $name in features) sed -nE 's/^ *(--- [A-Z]+: [^ ]+) .*/\1/p' "$dir/$side" | sort >"$dir/$side.sorted" && mv "$dir/$side.sorted" "$dir/$side" ;; esac
	done
	local differ
	differ=$(diff "$dir/kernel" "$dir/simulated" | grep -c '^[<>]') || true
	printf '%s, Linux %s: %d lines, %d differ\n' "$name" "$release" "$(wc -l <"$dir/kernel")" "$differ"
	[ "$differ" = 0 ] || {
		diff "$dir/kernel" "$dir/simulated" | grep '^[<>]' | head -20
		status=1
	}
}

for release; do
	compare bpftool "$bpftool" feature probe full
	[ -z "${FEATURES:-}" ] || compare features "$FEATURES" -test.v
done
exit $status
