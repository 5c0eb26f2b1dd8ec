#!/usr/bin/env bash
# Makes a module that tests with nkconform's packages, of the least Go and the least
# versions of libraries that nkconform promises to work with, and fails if these
# versions do not stay, or if its tests fail.
#
# usage: scripts/consumer.sh
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD

fail() {
	echo "consumer: $*" >&2
	exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r testdata/consumer/. "$work"
cd "$work"
least=(github.com/cilium/ebpf@v0.18.0 golang.org/x/sys@v0.35.0)

go mod init example.com/consumer 2>/dev/null
go mod edit -go=1.25 "${least[@]/#/-require=}" -replace "github.com/nkconform/nkconform=$here"
cp "$here/go.sum" .
go mod tidy
[ "$(go list -m -f '{{.GoVersion}}')" = 1.25 ] || fail "the module does not stay with Go 1.25: $(grep ^go go.mod)"
for module in "${least[@]}"; do
	now=$(go list -m -f '{{.Path}}@{{.Version}}' "${module%@*}")
	[ "$now" = "$module" ] || fail "the module does not stay with $module: it has $now"
done
go vet ./...
go test ./...
echo "consumer: a module of Go 1.25 with ${least[*]} keeps them"
