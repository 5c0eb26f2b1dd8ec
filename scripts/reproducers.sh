#!/usr/bin/env bash
# Says the suite in C, as far as that can be, and holds the program's verdict on the
# running kernel, where it can run there, and on one that is booted for it against the
# suite's: nothing may fail.
#
# usage: scripts/reproducers.sh [IMAGE]
set -euo pipefail
cd "$(dirname "$0")/.."
image=${1:-debian:7.3}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

go build -o "$work/nkconform" ./cmd/nkconform
"$work/nkconform" trace c testdata/scenarios >"$work/suite.c" 2>"$work/left-out"
gcc -std=gnu11 -O0 -static -Wall -Werror -o "$work/suite" "$work/suite.c"

# held tells how many passed, or what failed.
held() {
	if [ "$1" = 1 ]; then
		grep -B3 '^not ok' "$2" >&2
		echo "reproducers: programs in C do not agree with the suite on $3" >&2
		exit 1
	fi
	echo "$3: $(grep -c '^ok' "$2") traces, $(grep -c '# SKIP' "$2") of them skipped; left out of the suite: $(wc -l <"$work/left-out")"
}

status=0
root "$work/suite" >"$work/host" || status=$?
case $status in
2 | 4) echo "not run here: $(grep '^#' "$work/host" | head -1)" ;;
*) held "$status" "$work/host" "the running kernel" ;;
esac

status=0
"$work/nkconform" vm "$image" --module veth,dummy --with "$work/suite" -- sh -c "echo 1 >/sys/kernel/rcu_expedited; exec $work/suite" >"$work/vm" || status=$?
[ "$status" = 0 ] || [ "$status" = 1 ] || { cat "$work/vm"; exit "$status"; }
held "$status" "$work/vm" "$image"
