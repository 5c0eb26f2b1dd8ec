#!/usr/bin/env bash
# Shows on a kernel of Debian, which is booted for it, what users of nkconform vm
# rely on: modules that nobody loads by hand, files that come back, a test's
# coverage, programs in Python.
#
# usage: scripts/vm.sh [IMAGE]
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD
image=${1:-debian:7.3}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

fail() {
	echo "vm: $*" >&2
	exit 1
}

missing=()
for need in ip:iproute2 tc:iproute2 /usr/bin/python3:python3 xz:xz-utils; do
	command -v "${need%:*}" >/dev/null || missing+=("${need#*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
	root apt-get update -q
	root apt-get install -qy --no-install-recommends "${missing[@]}"
fi

go build -o "$work/nkconform" ./cmd/nkconform
PATH=$work:$PATH
mkdir "$work/empty" "$work/module" "$work/python"

echo "== devices and filters of the kernel's modules, two processors, a folder that comes back"
cd "$work/empty"
nkconform vm "$image" --with "$(command -v ip),$(command -v tc)" --cpus 2 --append quiet --out out -- sh -ec '
	ip link add v0 type veth peer name v1
	ip link add d0 type dummy
	ip link add b0 type bridge
	tc qdisc add dev v0 clsact
	tc filter add dev v0 ingress bpf da bytecode "1,6 0 0 0,"
	{ ip -brief link; tc qdisc show dev v0; tc filter show dev v0 ingress; } >out/seen
	while read -r line; do
		case $line in processor*) echo "$line" ;; esac
	done </proc/cpuinfo >>out/seen'
cat out/seen
for want in v0@v1 d0 b0 'qdisc clsact' 'bpf .*direct-action' 'processor.*1$'; do
	grep -q "$want" out/seen || fail "no $want"
done

echo "== coverage of a test that runs in the kernel, also of one that fails"
cd "$work/module"
cat >go.mod <<'MOD'
module vmtest

go 1.25
MOD
cat >kernel.go <<'GO'
package vmtest

import "os"

// Release is the kernel's.
func Release() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "", err
	}
	return string(b), nil
}
GO
cat >kernel_test.go <<'GO'
package vmtest

import (
	"os"
	"strings"
	"testing"
)

func TestRelease(t *testing.T) {
	r, err := Release()
	if err != nil || !strings.HasPrefix(r, os.Getenv("WANT")) || os.Getuid() != 0 {
		t.Fatal(r, err, os.Getuid())
	}
}
GO
want=${image#*:}
WANT=${want%/*} go test -count=1 -coverprofile cover.out -exec "nkconform vm $image --" .
go tool cover -func cover.out
grep -q 'kernel.go:.* 1$' cover.out || fail "no coverage has come back"
rm cover.out
if WANT=none go test -count=1 -coverprofile cover.out -exec "nkconform vm $image --" . >failed.out 2>&1; then
	fail "a test passes that must fail"
fi
grep -q 'kernel.go:.* 1$' cover.out || { cat failed.out && fail "no coverage has come back of a test that fails"; }

echo "== a testee in Python"
cd "$work/python"
cp "$here/examples/testee-python/testee.py" "$work/nkconform" .
python=/usr/bin/python3
nkconform vm "$image" --with "$python,$("$python" -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" -- \
	./nkconform run --backend "testee:$python testee.py" revision/stale
