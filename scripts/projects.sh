#!/usr/bin/env bash
# Runs other people's programs on the simulated kernel, unmodified, as root and as an
# ordinary user, and compares with a kernel: Go libraries' own tests with the running
# one, but for those of netkit, which must pass; iproute2, bpftool and systemd-networkd with
# what they printed on Linux 7.3.4, and with what they print on a kernel that is
# booted for it, if VM names one, as VM=debian:7.3.
#
# usage: scripts/projects.sh [FOLDER]
# What is downloaded and built is kept in FOLDER, if one is given.
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD/scripts

# The libraries: NAME MODULE@VERSION PACKAGE TAGS TESTS, where TESTS is how many of netkit there are.
libraries='
vishvananda github.com/vishvananda/netlink@v1.3.1 . none 2
jsimonetti github.com/jsimonetti/rtnetlink/v2@v2.3.0 . integration 0
jsimonetti-rtnl github.com/jsimonetti/rtnetlink/v2@v2.3.0 ./rtnl integration 0
jsimonetti-driver github.com/jsimonetti/rtnetlink/v2@v2.3.0 ./driver integration 1
florianl github.com/florianl/go-tc@v0.4.8 . integration 0
cilium github.com/cilium/ebpf@v0.22.0 ./link none 3
'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
keep=${1:-$work/keep}
mkdir -p "$keep"
keep=$(cd "$keep" && pwd)

root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

fail() {
	echo "projects: $*" >&2
	exit 1
}

# as runs a command as root or as an ordinary user, whose home is the work folder.
as() {
	local become=()
	[ "$1" = root ] || [ "$(id -u)" != 0 ] || become=(env HOME="$work" setpriv --reuid=65534 --regid=65534 --clear-groups)
	shift
	timeout 120 "${become[@]}" "$@"
}

# simulated runs a command on the simulated kernel, natively on the running one, in namespaces
# like those of exec.
simulated() {
	local user=$1
	shift
	as "$user" "$work/nkconform" exec -- "$@"
}
natively() {
	local new=(unshare -n -m)
	[ "$1" = root ] || new=(unshare -r -n -m)
	local user=$1
	shift
	# shellcheck disable=SC2016
	as "$user" "${new[@]}" sh -c 'mount -t tmpfs none /run && ip link set lo up && exec "$@"' natively "$@"
}

users=user
[ "$(id -u)" != 0 ] || users='root user'

missing=()
for need in llc:llvm unshare:util-linux ip:iproute2; do
	command -v "${need%:*}" >/dev/null || missing+=("${need#*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
	root apt-get update -q
	root apt-get install -qy --no-install-recommends "${missing[@]}"
fi
restrict=/proc/sys/kernel/apparmor_restrict_unprivileged_userns # of Ubuntu
if [ "$(cat $restrict 2>/dev/null || echo 0)" != 0 ]; then
	root sysctl -qw kernel.apparmor_restrict_unprivileged_userns=0
fi
go build -o "$work/nkconform" ./cmd/nkconform

# fetch copies a module into the work folder, for users who may not look into Go's cache.
fetch() {
	local found=$work/modules/${1//\//+}
	if [ ! -d "$found" ]; then
		mkdir -p "$work/modules"
		cp -r "$(cd "$work" && go mod download -json "$1" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')" "$found"
		chmod -R u+w,a+rX "$found"
	fi
	echo "$found"
}

# results lists what a run of tests says of them: PASS TEST, FAIL TEST, SKIP TEST.
results() { sed -nE 's/^ *--- (PASS|FAIL|SKIP): ([^ ]*) .*/\1 \2/p' "$1" | LC_ALL=C sort -u; }

while read -r name module package tags netkit; do
	[ -n "$name" ] || continue
	echo "== tests of $module, $package"
	folder=$(fetch "$module")
	(cd "$folder" && GOFLAGS=-mod=mod go test -tags "$tags" -c -o "$work/$name.test" "$package")
	chmod a+rx "$work/$name.test"
	select=(-test.run .)
	[ "$name" != cilium ] || select=(-test.run 'Netkit|TCX')
	# They panic, and with them all: where bridges know no VLANs, where the first process is another user's.
	[ "$name" != vishvananda ] || select=(-test.skip '^(TestBridgeDefaultPVID|TestSubscribeProcEvent)$')
	cd "$folder/$package"
	sed -n "s/^$name \([^ ]*\) .*/\1/p" "$here/projects/known.txt" >"$work/known"
	for user in $users; do
		natively "$user" "$work/$name.test" -test.v "${select[@]}" >"$work/native.out" 2>&1 || true
		results "$work/native.out" | sed -n 's/^PASS //p' >"$work/native.pass"
		simulated "$user" "$work/$name.test" -test.v "${select[@]}" >"$work/exec.out" 2>&1 || true
		results "$work/exec.out" >"$work/exec.results"
		sed -n 's/^PASS //p' "$work/exec.results" >"$work/exec.pass"
		lost=$(LC_ALL=C comm -23 "$work/native.pass" "$work/exec.pass" | grep -vxFf "$work/known" || true)
		# Some tests depend on which thread they run on, whose namespace one before them has left
		# another: by themselves they do not.
		left=
		for test in $lost; do
			simulated "$user" "$work/$name.test" -test.v -test.run "^${test%%/*}\$" >"$work/again.out" 2>&1 || true
			results "$work/again.out" | grep -qxF "PASS $test" || left="$left $test"
		done
		found=$(grep -c '^PASS [^/]*Netkit[^/]*$' "$work/exec.results" || true)
		echo "$name as $user: $(wc -l <"$work/exec.pass") pass, on this kernel $(wc -l <"$work/native.pass"); of netkit $found"
		[ -s "$work/native.pass" ] || [ "$user" != root ] || { cat "$work/native.out" && fail "$name: no test passes on the running kernel"; }
		[ -z "$left" ] || { cat "$work/exec.out" && fail "$name as $user: these pass on the running kernel alone:$left"; }
		[ "$found" = "$netkit" ] || { cat "$work/exec.out" && fail "$name as $user: $found tests of netkit pass, and not $netkit"; }
	done
	cd "$here/.."
done <<<"$libraries"

echo "== cilium/ebpf's example of tcx, on lo"
(cd "$(fetch github.com/cilium/ebpf@v0.22.0)/examples" && go build -o "$work/tcx" ./tcx)
cat >"$work/count.sh" <<'COUNT'
"$1" lo >"$2" 2>&1 &
until grep -q Press "$2"; do sleep 0.1; done
for _ in 1 2 3 4 5; do echo x >/dev/udp/127.0.0.1/9; done
until grep -q 'Count' "$2"; do sleep 0.1; done
kill $!
sed -n 's/.*Packet Count: //p' "$2" | head -n 1
COUNT
touch "$work/count.native"
natively "${users%% *}" bash "$work/count.sh" "$work/tcx" "$work/count.native" >"$work/native.out"
for user in $users; do
	touch "$work/count.$user" && chmod a+w "$work/count.$user"
	simulated "$user" bash "$work/count.sh" "$work/tcx" "$work/count.$user" >"$work/exec.out"
	diff "$work/native.out" "$work/exec.out"
done
cat "$work/native.out"

if ! grep -q '^ID=debian' /etc/os-release; then
	echo "not run, as this is not Debian: iproute2, bpftool, systemd-networkd"
	exit
fi

# Debian's packages of the suite trixie, run by their own loader.
tools=$keep/tools
[ -d "$tools" ] || "$here/trixie.sh" "$tools" iproute2 bpftool systemd libsystemd-shared libc6 libcap2 libelf1t64 zlib1g libzstd1 \
	libbpf1 libmnl0 libbsd0 libmd0 libselinux1 libpcre2-8-0 libxtables12 libtirpc3t64 libmount1 libblkid1 libseccomp2 libcrypt1 \
	libacl1 libapparmor1 libaudit1 libcap-ng0 libpam0g libssl3t64 \
	libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libcom-err2 libkeyutils1
mkdir -p "$work/vm/bin"
for part in usr/bin/ip usr/bin/ss usr/sbin/tc usr/sbin/bridge usr/sbin/bpftool usr/lib/systemd/systemd-networkd; do
	mkdir -p "$(dirname "$work/vm/$part")"
	cp "$tools/$part" "$work/vm/$part"
	printf '#!/bin/sh\nexec %s/lib/ld --library-path %s/lib %s "$@"\n' "$work/vm" "$work/vm" "$work/vm/$part" >"$work/vm/bin/$(basename "$part")"
done
mkdir "$work/vm/lib"
find "$tools/usr/lib" -name '*.so*' -not -path '*/gconv/*' -exec cp -L {} "$work/vm/lib" \;
mv "$work/vm/lib"/ld-linux-*.so.* "$work/vm/lib/ld"
cp "$here"/projects/*.sh "$work/vm"
llc -march=bpf -filetype=obj -o "$work/vm/programs.o" "$here/projects/programs.ll"
chmod -R a+rX "$work/vm"
chmod a+x "$work/vm/bin"/* "$work/vm/lib/ld"
for tool in ip bpftool systemd-networkd; do "$work/vm/bin/$tool" -V 2>/dev/null || "$work/vm/bin/$tool" --version; done | grep -v '^[+ ]'

export PATH=$work/vm/bin:$PATH
cd "$work/vm"
for user in $users; do
	simulated "$user" sh tools.sh programs.o >"$work/tools.$user"
	diff "$here/projects/tools.txt" "$work/tools.$user"
	simulated "$user" sh networkd.sh systemd-networkd >"$work/networkd.$user"
	diff "$here/projects/networkd.txt" "$work/networkd.$user"
	echo "as $user: $(cat "$work/tools.$user" "$work/networkd.$user" | wc -l) lines, as on a real kernel"
done
if [ -n "${VM:-}" ]; then
	with=()
	for tool in bash sed grep mount unshare mkdir mktemp rm sleep cat seq; do with+=(--with "$(readlink -f "$(command -v $tool)")"); done
	"$work/nkconform" vm --memory 1024 --module netkit,sch_ingress,cls_bpf,bridge "${with[@]}" "$VM" -- sh -c '
		PATH=$PWD/bin:$PATH
		mkdir -p /etc && echo root:x:0:0::/:/bin/sh >/etc/passwd
		mount -t tmpfs none /run && mount -t bpf bpf /sys/fs/bpf && ip link set lo up
		sh tools.sh programs.o && sh networkd.sh systemd-networkd' >"$work/vm.out"
	cat "$here/projects/tools.txt" "$here/projects/networkd.txt" | diff "$work/vm.out" -
	echo "the same in a virtual machine with $VM"
fi
