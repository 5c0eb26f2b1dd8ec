#!/bin/sh
# Builds exec-libbpf and programs.o into a folder. It takes gcc, LLVM's llc,
# libelf-dev, and libbpf 1.3 or newer. Where the system's libbpf is older, the
# packages of Debian's suite trixie are unpacked below the folder, and the system
# is left as it is.
#
# usage: build.sh FOLDER
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)

llc -march=bpf -filetype=obj -o "$out/programs.o" "$here/programs.ll"

if pkg-config --atleast-version=1.3 libbpf 2>/dev/null; then
	gcc -D_GNU_SOURCE -O2 -Wall -o "$out/exec-libbpf" "$here/main.c" $(pkg-config --cflags --libs libbpf)
	exit
fi

# Debian's own sources, but another suite, and nothing of it installed.
sources=$(ls /etc/apt/sources.list.d/*.sources 2>/dev/null || true)
mirror=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p' $sources /dev/null | head -n 1)
[ -n "$mirror" ] || mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p' /etc/apt/sources.list | head -n 1)
apt=$out/apt
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$out/root"
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
export APT_CONFIG="$apt/apt.conf"
apt-get -qq update
(cd "$apt" && apt-get -qq download libbpf-dev libc6-dev zlib1g-dev libzstd-dev linux-libc-dev)
for package in "$apt"/*.deb; do
	dpkg-deb -x "$package" "$out/root"
done
# Linked statically, as the suite's shared libraries want its own C library; with
# the system's libelf, as the suite's static one is not whole.
lib=$out/root/usr/lib/$(gcc -print-multiarch)
gcc -D_GNU_SOURCE -O2 -Wall -static -nostdinc \
	-isystem "$(gcc -print-file-name=include)" -isystem "$out/root/usr/include/$(gcc -print-multiarch)" \
	-isystem "$out/root/usr/include" -B "$lib" -L "$lib" \
	-o "$out/exec-libbpf" "$here/main.c" -lbpf "$(gcc -print-file-name=libelf.a)" -lz -lzstd
