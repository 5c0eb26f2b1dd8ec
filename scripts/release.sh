#!/usr/bin/env bash
# Builds what a release consists of, in the folder dist: for each architecture an
# archive of the static program, its manual pages and completions; the page with the
# simulated kernel in it, which the programs carry; their sums; and the notes, which are CHANGELOG.md's section on the version.
#
#   scripts/release.sh          what the working tree is, to try it
#   scripts/release.sh v1.2.0   a release: the tree must be that tag, unchanged
set -euo pipefail
cd "$(dirname "$0")/.."
tag=${1:-}

rm -rf dist
mkdir dist
build() { # ARCH FILE
	CGO_ENABLED=0 GOOS=linux GOARCH=$1 go build -buildvcs=true -trimpath -tags page -o "$2" ./cmd/nkconform
}
go run ./internal/page/pack # the kernel of explain --html, which released programs carry
native=$PWD/dist/native/nkconform
build "$(go env GOHOSTARCH)" "$native"
read -r _ version _ < <("$native" --version)
version=${version//[()]/} # (devel), where no commit is found
if [ -n "$tag" ] && [ "$version" != "$tag" ]; then
	echo "release: this tree is $version, not $tag: commit everything, and tag it" >&2
	exit 1
fi

# The notes: all between the heading and the next one.
awk -v heading="## ${tag:-Unreleased}" '
	/^## / { on = $0 == heading || index($0, heading " ") == 1; next }
	on' CHANGELOG.md >dist/notes.md
if ! grep -q '[^[:space:]]' dist/notes.md; then
	echo "release: CHANGELOG.md says nothing of ${tag:-Unreleased}" >&2
	exit 1
fi

SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
shared=dist/shared
mkdir -p $shared/man/man1 $shared/completions
cp LICENSE README.md CHANGELOG.md $shared
"$native" commands | go -C internal/man run . "$PWD/$shared/man/man1"
"$native" completion bash >$shared/completions/nkconform.bash
"$native" completion zsh >$shared/completions/_nkconform
"$native" completion fish >$shared/completions/nkconform.fish

for arch in amd64 arm64; do
	name=nkconform_${version}_linux_$arch
	mkdir "dist/$name"
	cp -r $shared/. "dist/$name"
	build $arch "dist/$name/nkconform"
	tar -C dist --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -c "$name" |
		gzip -9n >"dist/$name.tar.gz"
	rm -r "dist/$name"
done
"$native" explain --html "dist/nkconform_$version.html"
rm -r dist/native dist/shared
(cd dist && sha256sum -- *.tar.gz *.html >SHA256SUMS && cat SHA256SUMS)
