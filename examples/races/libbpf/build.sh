#!/bin/sh
# Builds the agent into a folder. Takes what scripts/cc-libbpf.sh takes.
#
# usage: build.sh FOLDER
set -eu

here=$(cd "$(dirname "$0")" && pwd)
"$here/../../../scripts/cc-libbpf.sh" "$1" "$1/agent" "$here/main.c"
