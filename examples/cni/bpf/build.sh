#!/bin/sh
# Builds cni.o anew, on Debian with the packages clang and libbpf-dev.
set -eu
cd "$(dirname "$0")"
clang -target bpf -O2 -g -Wall -Werror -fdebug-compilation-dir=. -I"/usr/include/$(uname -m)-linux-gnu" -c cni.c -o cni.o
# What differs from machine to machine and is not needed.
if command -v llvm-strip >/dev/null; then llvm-strip -g cni.o; fi
