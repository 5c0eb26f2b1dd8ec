#!/usr/bin/env bash
# Of:      iproute2 6.1.0-3 (Debian 12): ip -j link show
# Guessed: where no device is of the type, or of the group, it prints the empty list,
#          [].
# Came:    one empty object for each device that is not shown: [{}] with lo alone,
#          [{},{},{}] with three. Of a type that the kernel has it is []: the kernel
#          then leaves the devices out, else ip does, having begun their objects. So
#          `ip -j link show type netkit | jq length` counts every device of a machine
#          whose kernel has no netkit. The same goes for `ip -j link show up`.
# Needs:   apt-get and dpkg-deb of Debian 12, unshare, user namespaces.
set -euo pipefail
for tool in apt-get dpkg-deb unshare; do
	command -v $tool >/dev/null || { echo "cannot be tried: no $tool" >&2 && exit 2; }
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
for package in iproute2=6.1.0-3 libbpf1 libbsd0 libelf1 libmnl0 libcap2; do
	apt-get -qq download $package 2>/dev/null || { echo "cannot be tried: no package $package" >&2 && exit 2; }
done
for deb in *.deb; do
	dpkg-deb -x "$deb" .
done
export PATH=$dir/bin:$dir/sbin:$dir/usr/bin:$dir/usr/sbin:$PATH LD_LIBRARY_PATH
LD_LIBRARY_PATH=$(find "$dir" -name 'lib*.so*' -printf '%h\n' | sort -u | paste -sd:)
ip -V
unshare -Urn true || { echo "cannot be tried: no user namespaces" >&2 && exit 2; }

# One of the types that this machine's kernel has.
for has in veth dummy bridge ifb; do
	if unshare -Urn ip link add t0 type $has 2>/dev/null; then break; fi
done
{
	echo 'lo alone:'
	unshare -Urn ip -j link show type nosuchtype
	unshare -Urn ip -j link show group 7
	unshare -Urn ip -j link show up
	echo 'of a type that the kernel has:'
	unshare -Urn ip -j link show type "$has"
} | tee came
diff -u - came <<'EXPECTED'
lo alone:
[{}]
[{}]
[{}]
of a type that the kernel has:
[]
EXPECTED
