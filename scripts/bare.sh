#!/usr/bin/env bash
# Runs README's two commands where there is Go and nothing else: a root with Go's
# toolchain, the modules that the tests require, the sources, a shell and a few tools
# of the kind that every system has; an ordinary user; no compiler for C, no git, no
# Python, no QEMU, no /sys, no /dev/net/tun, and no user namespaces, which a process
# with another root may not make. Prints what each command took, and what was skipped.
#
# usage: scripts/bare.sh
set -euo pipefail
cd "$(dirname "$0")/.."

root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
work=$(mktemp -d)
trap 'root rm -rf "$work"' EXIT
chmod 755 "$work"
bare=$work/root
mkdir -p "$work/fresh" "$bare"/{src/.git,cache,tmp,home,proc,dev,modules,bin,usr/bin,usr/local/go}

git ls-files -z | tar -c --null -T - | tar -x -C "$bare/src"
go list -deps -test ./... >/dev/null # fetches what they require
for tool in sh cat chmod echo env false grep head kill ls mkdir mkfifo rm sed sleep tail true; do
	cp -L "$(type -P $tool)" "$bare/bin/"
	for library in $(ldd "$bare/bin/$tool" 2>/dev/null | grep -o '/[^ ]*'); do
		mkdir -p "$bare${library%/*}"
		cp -L "$library" "$bare$library"
	done
done
ln -s /bin/env "$bare/usr/bin/env"

# What is mounted here is seen by nobody else, and ends with the last process.
cat >"$work/enter" <<'END'
set -euo pipefail
work=$1 goroot=$2 modules=$3 cache=$4
bare=$work/root user=65534
mount -o bind,ro "$goroot" "$bare/usr/local/go"
mount -o bind,ro "$modules" "$bare/modules"
mount -t proc proc "$bare/proc"
for device in null zero full random urandom; do
	: >"$bare/dev/$device"
	mount --bind "/dev/$device" "$bare/dev/$device"
done
# What this machine's Go has built is there, below the user's own folders of the same
# names; nothing is written to it. Without overlayfs all is built anew.
mount -t tmpfs fresh "$work/fresh"
mkdir -p "$work"/fresh/{work,cache}
(cd "$work/fresh/cache" && printf '%02x\n' {0..255} | xargs mkdir)
chown -R $user:$user "$work/fresh" "$bare"/{src,tmp,home}
mount -t overlay -o "lowerdir=$cache,upperdir=$work/fresh/cache,workdir=$work/fresh/work" cache "$bare/cache" ||
	mount --bind "$work/fresh/cache" "$bare/cache"

# bare runs a command.
bare() {
	TIMEFORMAT='took %0R s, and %0U + %0S s of processors'
	time env -i PATH=/usr/local/go/bin:/bin HOME=/home TMPDIR=/tmp \
		GOCACHE=/cache GOMODCACHE=/modules GOPROXY=off GOTOOLCHAIN=local \
		"$(command -v chroot)" --userspec=$user:$user --groups= "$bare" "$@"
}
echo '$ go run ./cmd/nkconform run'
bare go -C /src run ./cmd/nkconform run
echo '$ go test -v ./...'
bare go -C /src test -v ./... >"$work/tests"
END

status=0
root unshare --mount --pid --fork --kill-child bash "$work/enter" \
	"$work" "$(go env GOROOT)" "$(go env GOMODCACHE)" "$(go env GOCACHE)" || status=$?
# What failed tests wrote, and each reason for which tests were skipped, and how many.
awk '
/^=== (RUN|NAME|CONT)/ { test = $3; next }
/^=== PAUSE/ || /^(ok|PASS|\?) / || /^PASS$/ { next }
/^ *--- (PASS|SKIP|FAIL): / {
	if ($2 == "FAIL:") printf "%s\n%s", $0, text[$3]
	if ($2 == "SKIP:") count[reason[$3]]++
	delete text[$3]
	next
}
/^panic: |^fatal error: /, /^FAIL/ { print; next } # the end of a whole package
/^FAIL/ { print; next }
{ text[test] = text[test] $0 "\n" }
/^    [a-z0-9_]+\.go:[0-9]+: / && !/: WORK=/ { # not what a script did, behind its reason
	sub(/^ *[^ ]* /, "")
	reason[test] = $0
}
END { for (why in count) print count[why] " skipped: " why | "sort -rn" }
' "$work/tests"
exit $status
