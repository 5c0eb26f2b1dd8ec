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
if ! [ -e "$lib/libbpf.a" ]; then
	# Debian's own sources, but another suite, and nothing of it installed.
	sources=$(ls /etc/apt/sources.list.d/*.sources 2>/dev/null || true)
	# shellcheck disable=SC2086
	mirror=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p' $sources /dev/null | head -n 1)
	[ -n "$mirror" ] || mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p' /etc/apt/sources.list | head -n 1)
	apt=$folder/apt
	rm -rf "$apt" "$root.part"
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$root.part"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$apt/sources.list"
	cat >"$apt/apt.conf" <<CONF
APT::Sandbox::User "";
Acquire::Languages "none";
Dir::State::status "/dev/null";
Dir::State::Lists "$apt/lists";
Dir::Cache "$apt/cache";
Dir::Etc::SourceList "$apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
CONF
	APT_CONFIG="$apt/apt.conf" apt-get -qq update
	(cd "$apt" && APT_CONFIG="$apt/apt.conf" apt-get -qq download libbpf-dev libc6-dev zlib1g-dev libzstd-dev linux-libc-dev)
	for package in "$apt"/*.deb; do
		dpkg-deb -x "$package" "$root.part"
	done
	rm -rf "$root"
	mv "$root.part" "$root" # whole or not at all
fi

# Linked statically, as the suite's shared libraries want its own C library; with
# the system's libelf, as the suite's static one is not whole.
exec gcc -D_GNU_SOURCE -O2 -Wall -static -nostdinc \
	-isystem "$(gcc -print-file-name=include)" -isystem "$root/usr/include/$multiarch" \
	-isystem "$root/usr/include" -B "$lib" -L "$lib" \
	-o "$output" "$@" -lbpf "$(gcc -print-file-name=libelf.a)" -lz -lzstd
