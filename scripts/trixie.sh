#!/bin/sh
# Unpacks packages of Debian's suite trixie into FOLDER, and leaves the system as it is. Beside
# FOLDER apt's lists are kept, in apt. Takes a Debian machine of any release.
#
# usage: trixie.sh FOLDER PACKAGE...
set -eu

[ $# -ge 2 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
root=$1
shift
mkdir -p "$(dirname "$root")"
apt=$(cd "$(dirname "$root")" && pwd)/apt

if ! [ -e "$apt/apt.conf" ]; then
	# Debian's own sources, but another suite, and nothing of it installed.
	sources=$(ls /etc/apt/sources.list.d/*.sources 2>/dev/null || true)
	# shellcheck disable=SC2086
	mirror=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p' $sources /dev/null | head -n 1)
	[ -n "$mirror" ] || mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p' /etc/apt/sources.list | head -n 1)
	rm -rf "$apt.part"
	mkdir -p "$apt.part/lists/partial" "$apt.part/cache/archives/partial"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$apt.part/sources.list"
	cat >"$apt.part/apt.conf" <<CONF
APT::Sandbox::User "";
Acquire::Languages "none";
Dir::State::status "/dev/null";
Dir::State::Lists "lists";
Dir::Cache "cache";
Dir::Etc::SourceList "sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
CONF
	(cd "$apt.part" && sed -i "s,\"\(lists\|cache\|sources.list\)\",\"$apt.part/\1\"," apt.conf && APT_CONFIG=$apt.part/apt.conf apt-get -qq update)
	sed -i "s,$apt.part/,$apt/," "$apt.part/apt.conf"
	rm -rf "$apt"
	mv "$apt.part" "$apt"
fi
rm -rf "$root.part" "$root.debs"
mkdir -p "$root.part" "$root.debs"
(cd "$root.debs" && APT_CONFIG="$apt/apt.conf" apt-get -qq download "$@")
for package in "$root.debs"/*.deb; do
	dpkg-deb -x "$package" "$root.part"
done
rm -rf "$root" "$root.debs"
mv "$root.part" "$root" # whole or not at all
