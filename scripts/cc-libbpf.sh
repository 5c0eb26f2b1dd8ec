#!/bin/sh
# Compiles a C program that uses libbpf 1.3 or newer, the first with netkit.
# Where the system's libbpf is older, the packages of Debian's suite trixie are
# unpacked into FOLDER/libbpf, and the system is left as it is. Takes gcc and
# libelf-dev.
#
# usage: cc-libbpf.sh FOLDER OUTPUT SOURCE...
set -eu

[ $# -ge 3 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
output=$2
shift 2

if pkg-config --atleast-version=1.3 libbpf 2>/dev/null; then
	# shellcheck disable=SC2046
	exec gcc -D_GNU_SOURCE -O2 -Wall -o "$output" "$@" $(pkg-config --cflags --libs libbpf)
fi

root=$folder/libbpf
multiarch=$(gcc -print-multiarch)
lib=$root/usr/lib/$multiarch
[ -e "$lib/libbpf.a" ] || "$(dirname "$0")/trixie.sh" "$root" libbpf-dev libc6-dev zlib1g-dev libzstd-dev linux-libc-dev

# Linked statically, as the suite's shared libraries want its own C library; with
# the system's libelf, as the suite's static one is not whole.
exec gcc -D_GNU_SOURCE -O2 -Wall -static -nostdinc \
	-isystem "$(gcc -print-file-name=include)" -isystem "$root/usr/include/$multiarch" \
	-isystem "$root/usr/include" -B "$lib" -L "$lib" \
	-o "$output" "$@" -lbpf "$(gcc -print-file-name=libelf.a)" -lz -lzstd
