#!/usr/bin/env bash
# Of:      Go 1.26.0, go build -buildvcs=true
# Guessed: what is built in a linked worktree (git worktree add) has the commit in its
#          build information, as what is built in the main one; or, with -buildvcs=true,
#          which asks for it, the build fails.
# Came:    it succeeds without a commit, and the module's version is (devel). Go looks
#          for a folder called .git; in a linked worktree that is a file. A program
#          that tells its version from debug.ReadBuildInfo, as agents of BPF report
#          theirs, has none when its release is built in a worktree, and nothing says so.
# Needs:   Go 1.21 or later, which fetches the pinned one, and git.
set -euo pipefail
for tool in go git; do
	command -v $tool >/dev/null || { echo "cannot be tried: no $tool" >&2 && exit 2; }
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOTOOLCHAIN=go1.26.0 GOFLAGS=
go version || { echo "cannot be tried: no $GOTOOLCHAIN" >&2 && exit 2; }

git init -q main
cd main
printf 'module example.com/finding\n\ngo 1.26.0\n' >go.mod
printf 'package main\n\nfunc main() {}\n' >main.go
git add .
git -c user.name=nobody -c user.email=nobody@example.com commit -qm 'a program'
git worktree add -q ../linked 2>/dev/null
cd ..
for tree in main linked; do
	go -C $tree build -buildvcs=true -o "$dir/$tree.bin" .
	echo "$tree: $(go version -m $tree.bin | grep -c 'vcs.revision=') commits, version $(go version -m $tree.bin | awk '$1 == "mod" { print $3 }' | sed 's/-.*/-.../')"
done | tee came
diff -u - came <<'EXPECTED'
main: 1 commits, version v0.0.0-...
linked: 0 commits, version (devel)
EXPECTED
