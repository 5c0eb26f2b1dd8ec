#!/bin/sh
# Builds exec-libbpf and programs.o into a folder. Takes LLVM's llc, and what
# scripts/cc-libbpf.sh takes.
#
# usage: build.sh FOLDER
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)

llc -march=bpf -filetype=obj -o "$out/programs.o" "$here/programs.ll"
"$here/../../scripts/cc-libbpf.sh" "$out" "$out/exec-libbpf" "$here/main.c"
