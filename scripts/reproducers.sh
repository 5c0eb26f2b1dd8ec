#!/usr/bin/env bash
# Says scenarios in C and holds the program's verdicts against the suite's, where nothing
# fails: all that can be said on the running kernel, if it has tcx, and those that match
# PATTERN on one that is booted for it.
#
# usage: scripts/reproducers.sh [IMAGE [PATTERN...]]
set -euo pipefail
cd "$(dirname "$0")/.."
image=${1:-debian:7.3}
shift || true
[ $# -gt 0 ] || set -- story replace info

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

go build -o "$work/nkconform" ./cmd/nkconform

# program says scenarios in C and compiles that.
program() {
	local name=$1
	shift
	"$work/nkconform" trace c "$@" >"$work/$name.c" 2>"$work/left-out"
	gcc -std=gnu11 -O0 -static -Wall -Werror -o "$work/$name" "$work/$name.c"
}

# held tells how many passed, and what failed; that may be only what the suite, on the
# backend, knows the kernel for.
held() {
	if [ "$1" = 1 ]; then
		mapfile -t failed < <(sed -n 's/^not ok [0-9]* //p' "$2")
		known=$(root "$work/nkconform" run --backend "$4" "${failed[@]}" | sed -n 's/^\([0-9]*\) known deviations\?$/\1/p')
		if [ "$known" != "${#failed[@]}" ]; then
			grep -B3 '^not ok' "$2" >&2
			echo "reproducers: programs in C do not agree with the suite on $3" >&2
			exit 1
		fi
		echo "$3 is known for ${failed[*]}"
	fi
	echo "$3: $(grep -c '^ok' "$2") traces, $(grep -c '# SKIP' "$2") of them skipped; cannot be said: $(wc -l <"$work/left-out")"
}

program all testdata/scenarios
status=0
root "$work/all" >"$work/host" || status=$?
case $status in
2 | 4) echo "not run here: $(grep '^#' "$work/host" | head -1)" ;;
*) held "$status" "$work/host" "the running kernel" host ;;
esac

program some "$@"
status=0
"$work/nkconform" vm "$image" --module veth,dummy --with "$work/some" -- \
	sh -c "echo 1 >/sys/kernel/rcu_expedited; exec $work/some" >"$work/guest" || status=$?
[ "$status" = 0 ] || [ "$status" = 1 ] || { cat "$work/guest"; exit "$status"; }
held "$status" "$work/guest" "$image" "vm:$image"
