#!/bin/sh
# Builds FOLDER/libbpf-testee. Takes gcc, libelf-dev and, where the system has no
# libbpf of 1.3 or newer, a Debian to fetch one from.
#
# usage: build.sh FOLDER
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)

gcc -c -o "$out/stubs.o" "$here/stubs.S"
# e_machine, at offset 18: EM_BPF, which is 247.
printf '\367\000' | dd of="$out/stubs.o" bs=1 seek=18 conv=notrunc status=none
(cd "$out" && gcc -c -o embed.o "$here/embed.S")
"$here/../../scripts/cc-libbpf.sh" "$out" "$out/libbpf-testee" "$here/main.c" "$out/embed.o"
