#!/bin/sh
# Installs what booting kernels in virtual machines needs, on Debian 12 and
# later and Ubuntu 24.04 and later. Does nothing, quickly, if all is there.
set -eu

# QEMU, and the tools that unpack kernel images.
packages='qemu-system-x86 xz-utils zstd lz4'
# What virtme-ng's init calls in a guest.
packages="$packages bash coreutils grep sed mount util-linux util-linux-extra hostname iproute2 kbd kmod file udev"

# shellcheck source=/dev/null
. /etc/os-release
case "$ID" in
debian)
	if [ "${VERSION_ID:-99}" -lt 12 ]; then
		echo "vm-deps: $PRETTY_NAME is too old: Debian 12 or later is needed" >&2
		exit 1
	elif [ "${VERSION_ID:-99}" -eq 12 ]; then
		# It has no virtme-ng; nkconform fetches and unpacks that by itself
		# and then needs only Python.
		packages="$packages python3-minimal python3-requests python3-argcomplete"
	else
		packages="$packages virtme-ng virtiofsd"
	fi
	;;
ubuntu)
	# The keys are for fetching Debian's kernels.
	packages="$packages virtme-ng virtiofsd debian-archive-keyring"
	;;
*)
	echo "vm-deps: do not know $PRETTY_NAME: install QEMU and virtme-ng by its own means" >&2
	exit 1
	;;
esac

missing=''
for p in $packages; do
	case "$(dpkg-query -W -f '${Status}' "$p" 2>/dev/null || true)" in
	*' ok installed') ;;
	*) missing="$missing $p" ;;
	esac
done
if [ -z "$missing" ]; then
	echo 'vm-deps: everything is installed'
	exit 0
fi

sudo=''
if [ "$(id -u)" -ne 0 ]; then
	sudo='sudo'
fi
echo "vm-deps: installing$missing"
# Lists as they are may do; fetch them only if they do not.
install() {
	# shellcheck disable=SC2086
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
}
install || { $sudo apt-get update -q && install; }
