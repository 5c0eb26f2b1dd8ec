#!/usr/bin/env bash
# Of:      github.com/vishvananda/netlink v1.3.1, netlink.LinkAdd(&netlink.Netkit{...})
# Guessed: with nothing but a name, it asks for what the kernel makes by itself
#          (drivers/net/netkit.c: mode L3, both sides scrub).
# Came:    mode L2, and no scrubbing on either side. The zero values of the Go
#          fields are numbers that mean something, and all of them are sent: mode 0
#          is L2, scrub 0 is none, so that marks and priorities of packets go along
#          into the peer's network namespace. Linux 6.12 and 7.3 then show mode 0 and
#          scrub 0, and for a request with the kind alone, as `ip link add nk0 type
#          netkit` makes it, mode 1 and scrub 1. Who wants that one writes Mode: netlink.NETKIT_MODE_L3,
#          Scrub: netlink.NETKIT_SCRUB_DEFAULT, PeerScrub: netlink.NETKIT_SCRUB_DEFAULT.
# Needs:   Go, strace, unshare, user namespaces; any kernel, which may refuse the
#          request: what is sent is looked at.
set -euo pipefail
for tool in go strace unshare; do
	command -v $tool >/dev/null || { echo "cannot be tried: no $tool" >&2 && exit 2; }
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'GO'
package main

import "github.com/vishvananda/netlink"

func main() {
	_ = netlink.LinkAdd(&netlink.Netkit{LinkAttrs: netlink.LinkAttrs{Name: "nk0"}})
}
GO
go mod init finding 2>/dev/null
go get github.com/vishvananda/netlink@v1.3.1 2>/dev/null
CGO_ENABLED=0 go build -o add .
unshare -Urn true || { echo "cannot be tried: no user namespaces" >&2 && exit 2; }
unshare -Urn strace -f -xx -s 4096 -e trace=sendto -o trace ./add
data=$(grep -o 'nla_type=IFLA_INFO_DATA}, "[^"]*"' trace | cut -d'"' -f2)

# Each attribute is 8 bytes, little endian: length 8, type, and a number (include/uapi/linux/if_link.h).
names=(UNSPEC PEER_INFO PRIMARY POLICY PEER_POLICY MODE SCRUB PEER_SCRUB HEADROOM TAILROOM)
read -ra bytes <<<"${data//\\x/ }"
for ((i = 0; i + 8 <= ${#bytes[@]}; i += 8)); do
	type=$((16#${bytes[i + 2]}))
	if [ "${bytes[i]}" = 08 ] && [ $type -ge 3 ] && [ $type -le 7 ]; then
		echo "IFLA_NETKIT_${names[type]} $((16#${bytes[i + 4]}))"
	fi
done | sort | tee came

# Mode 0 is NETKIT_L2, 1 NETKIT_L3; scrub 0 is NETKIT_SCRUB_NONE, 1 NETKIT_SCRUB_DEFAULT.
diff -u - came <<'EXPECTED'
IFLA_NETKIT_MODE 0
IFLA_NETKIT_PEER_POLICY 0
IFLA_NETKIT_PEER_SCRUB 0
IFLA_NETKIT_POLICY 0
IFLA_NETKIT_SCRUB 0
EXPECTED
