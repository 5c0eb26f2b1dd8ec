#!/usr/bin/env bash
# Runs programs on the simulated kernel that do not know of it, as an ordinary
# user: the suite as for a real kernel, the netkit and tcx tests of cilium/ebpf, a
# program in C with libbpf, one in Python, and bpftool and ip. What the program in
# C prints is compared with what it printed on a real kernel, and with what it
# prints on one that is booted for it, if VM names one, as VM=debian:6.12.
#
# usage: scripts/exec.sh [FOLDER]
# What is downloaded and built is kept in FOLDER, if one is given.
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
keep=${1:-$work/keep}
mkdir -p "$keep"
keep=$(cd "$keep" && pwd)

root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# as_user runs a command as an ordinary user, whose home is the work folder.
as_user() {
	if [ "$(id -u)" != 0 ]; then
		"$@"
		return
	fi
	HOME=$work setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

fail() {
	echo "exec: $*" >&2
	exit 1
}

missing=()
for need in gcc:gcc llc:llvm pkg-config:pkg-config python3:python3 ip:iproute2; do
	command -v "${need%:*}" >/dev/null || missing+=("${need#*:}")
done
[ -e /usr/include/libelf.h ] || missing+=(libelf-dev)
# Elsewhere the system's libbpf is recent enough; cc-libbpf.sh sees to Debian.
if ! grep -q '^ID=debian' /etc/os-release && ! pkg-config --exists libbpf 2>/dev/null; then
	missing+=(libbpf-dev)
fi
if [ ${#missing[@]} -gt 0 ]; then
	root apt-get update -q
	root apt-get install -qy --no-install-recommends "${missing[@]}"
fi
# Ubuntu denies ordinary users what this needs of a user namespace.
restrict=/proc/sys/kernel/apparmor_restrict_unprivileged_userns
if [ "$(cat $restrict 2>/dev/null || echo 0)" != 0 ]; then
	root sysctl -qw kernel.apparmor_restrict_unprivileged_userns=0
fi

go build -o "$work/nkconform" ./cmd/nkconform
nkconform=$work/nkconform
go build -o "$work/cni-agent" ./examples/cni/cmd/cni-agent

echo "== the suite, which takes the simulated kernel for a real one"
as_user "$nkconform" exec -- "$nkconform" run --backend host

echo "== the netkit and tcx tests of cilium/ebpf"
# They begin in their folder, for the sake of their files, and an ordinary user
# may look into neither root's module cache nor root's build folder.
module=$(go list -m -f '{{.Dir}}' github.com/cilium/ebpf)
tests='Netkit|TCX|^TestRawAttachProgramAnchor$|^TestHaveProgQuery$|^TestHaveBPFLink$'
cp -r "$module/link" "$module/testdata" "$work"
chmod -R u+w "$work/link" "$work/testdata"
cat >"$work/wrapper" <<WRAPPER
#!/bin/sh
cp "\$1" $work/link.test
shift
cd $work/link
[ "\$(id -u)" = 0 ] && as='setpriv --reuid=65534 --regid=65534 --clear-groups'
exec \$as $nkconform exec -- $work/link.test "\$@"
WRAPPER
chmod +x "$work/wrapper"
(cd "$module/link" && go test -count=1 -v -exec "$work/wrapper" -run "$tests" .) >"$work/link.out" 2>&1 ||
	{ cat "$work/link.out" && fail "tests of cilium/ebpf failed"; }
grep -E '^(---|ok)' "$work/link.out"
if grep -q -e '--- SKIP' "$work/link.out"; then fail "tests of cilium/ebpf were skipped"; fi

echo "== a program in C with libbpf"
[ -x "$keep/exec-libbpf" ] || examples/exec-libbpf/build.sh "$keep" >"$work/build.out" 2>&1 ||
	{ cat "$work/build.out" && fail "examples/exec-libbpf does not build"; }
install "$keep/exec-libbpf" "$keep/programs.o" "$work"
as_user "$nkconform" exec --device nk0,nk1 -- "$work/exec-libbpf" "$work/programs.o" nk0 >"$work/libbpf.out"
diff "$here/examples/exec-libbpf/expected.txt" "$work/libbpf.out"
echo "$(wc -l <"$work/libbpf.out") lines, as on a real kernel"
if [ -n "${VM:-}" ]; then
	mkdir "$work/vm"
	cp "$work/exec-libbpf" "$work/programs.o" "$work/vm"
	(cd "$work/vm" && "$nkconform" vm --with "$(command -v ip)" "$VM" -- \
		sh -c 'ip link add x0 type netkit && ./exec-libbpf programs.o x0') >"$work/vm.out"
	diff "$work/vm.out" "$work/libbpf.out"
	echo "the same in a virtual machine with $VM"
fi

echo "== an agent in C with libbpf, killed at every moment"
[ -x "$keep/agent" ] || examples/races/libbpf/build.sh "$keep" >"$work/build.out" 2>&1 ||
	{ cat "$work/build.out" && fail "examples/races/libbpf does not build"; }
install "$keep/agent" "$work"
twice='query nk0:primary = [] | = [mine]'
if as_user "$nkconform" explore --device nk0,nk1 --agent "$work/agent nk0" --crash agent --always "$twice" >"$work/explore.out"; then
	fail "that it attaches twice when it is killed before it pins was not found"
fi
grep -F '[mine mine]' "$work/explore.out"
as_user "$nkconform" explore --device nk0,nk1 --agent "$work/agent nk0 fixed" --crash agent --always "$twice"

echo "== an agent with ELF, netlink and pins, a fault, a rival"
as_user "$here/examples/cni/exec.sh" "$nkconform" "$work/cni-agent"

echo "== bpftool, ip and a program in Python"
# A bpftool that knows netkit hooks came with Linux 6.7.
bpftool=$(command -v bpftool || true)
if [ -z "$bpftool" ] || ! "$bpftool" version 2>/dev/null | grep -qE 'v7\.([3-9]|[1-9][0-9])'; then
	bpftool=$keep/bpftool
	if [ ! -x "$bpftool" ] && [ -e "$keep/apt/apt.conf" ]; then
		scripts/trixie.sh "$keep/bpftool-root" bpftool libc6 libcap2 libelf1t64 zlib1g libzstd1
		loader=$(find "$keep/bpftool-root/usr/lib" -name 'ld-linux-*.so.*' | head -n 1)
		printf '#!/bin/sh\nexec %s --library-path %s %s "$@"\n' "$loader" "$(dirname "$loader")" \
			"$keep/bpftool-root/usr/sbin/bpftool" >"$bpftool"
		chmod +x "$bpftool"
	fi
fi
cp examples/exec-python/attach.py scripts/exec-tools.sh "$work"
if [ -x "$bpftool" ]; then
	chmod -R a+rX "$keep" 2>/dev/null || true
	as_user "$nkconform" exec --device nk0,nk1 -- sh "$work/exec-tools.sh" "$work/attach.py" "$bpftool"
else
	echo "not run: there is no bpftool of version 7.3 or newer" # nor is this Debian
fi
