#!/bin/sh
# How much of the kernel's own code the suite and the fuzzer reach: builds a
# User-Mode Linux kernel that counts what it executes of mprog.c, netkit.c and
# tcx.c, runs both in it, and prints coverage with gcov.
#
#   scripts/coverage.sh [VERSION [FOLDER]]
#
# VERSION is that of a Debian package linux-source-VERSION (default 7.3), FOLDER
# keeps the build (default in the user's cache). Needs gcc, make, flex, bison, bc,
# xz, apt and about 3 GB; no root.
set -eu

version=${1:-7.3}
dir=${2:-${XDG_CACHE_HOME:-$HOME/.cache}/nkconform/coverage-$version}
here=$(cd "$(dirname "$0")/.." && pwd)
tree=$dir/linux-source-$version

options="64BIT EXPERT PRINTK MULTIUSER BLK_DEV_INITRD BINFMT_ELF BINFMT_SCRIPT TTY
STDERR_CONSOLE STDIO_CONSOLE SSL NULL_CHAN PROC_FS SYSCTL SYSFS DEVTMPFS TMPFS SHMEM
HOSTFS FUTEX EPOLL EVENTFD SIGNALFD TIMERFD POSIX_TIMERS HIGH_RES_TIMERS MEMBARRIER
ADVISE_SYSCALLS FILE_LOCKING FHANDLE INOTIFY_USER NAMESPACES NET_NS PID_NS USER_NS
CGROUPS CGROUP_BPF NET PACKET UNIX INET IPV6 NETDEVICES NET_CORE DUMMY VETH NET_SCHED
NET_CLS NET_CLS_ACT NET_CLS_BPF NET_SCH_INGRESS BPF_SYSCALL NETKIT KALLSYMS DEBUG_FS
IKCONFIG BUG GCOV_KERNEL"

fetch() {
	mkdir -p "$dir"
	(cd "$here" && go run ./cmd/nkconform kernels source "$version" "$dir")
	rm -rf "$dir/usr" "$dir/etc"
}

build() {
	cd "$tree"
	[ -f .config ] || make -s ARCH=um allnoconfig
	for o in $options; do ./scripts/config -e "$o"; done
	make -s ARCH=um olddefconfig
	grep -q GCOV_PROFILE_mprog kernel/bpf/Makefile ||
		printf 'GCOV_PROFILE_mprog.o := y\nGCOV_PROFILE_tcx.o := y\n' >>kernel/bpf/Makefile
	grep -q GCOV_PROFILE_netkit drivers/net/Makefile ||
		printf 'GCOV_PROFILE_netkit.o := y\n' >>drivers/net/Makefile
	# It speaks before it can, in some versions.
	sed -i '/pr_info("version magic/d' kernel/gcov/gcc_base.c
	make -s ARCH=um -j"$(nproc)" linux
}

[ -d "$tree" ] || fetch
[ -x "$tree/linux" ] && grep -q GCOV_KERNEL=y "$tree/.config" || build
cd "$here"
go run ./cmd/nkconform coverage "$tree"
