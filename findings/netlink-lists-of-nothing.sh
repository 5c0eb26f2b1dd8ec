#!/usr/bin/env bash
# Of:      github.com/vishvananda/netlink v1.3.1: QdiscList, FilterList, ClassList, AddrList
# Guessed: of a device that does not exist they return ENODEV, as `tc qdisc show dev`
#          and `ip addr show dev` fail.
# Came:    an empty list and no error. Some of the kernel's dumps skip what is not of
#          the device, and of the rest the library keeps what is; so "nothing is
#          attached" and "the device is gone" look alike. netlink.LinkByIndex tells
#          them apart.
# Needs:   Go, unshare, user namespaces.
set -euo pipefail
for tool in go unshare; do
	command -v $tool >/dev/null || { echo "cannot be tried: no $tool" >&2 && exit 2; }
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"fmt"

	"github.com/vishvananda/netlink"
)

func main() {
	gone := &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: 999}}
	_, err := netlink.LinkByIndex(999)
	fmt.Println("LinkByIndex:", err)
	qdiscs, err := netlink.QdiscList(gone)
	fmt.Println("QdiscList:", qdiscs, err)
	filters, err := netlink.FilterList(gone, netlink.HANDLE_MIN_INGRESS)
	fmt.Println("FilterList:", filters, err)
	classes, err := netlink.ClassList(gone, 0)
	fmt.Println("ClassList:", classes, err)
	addresses, err := netlink.AddrList(gone, netlink.FAMILY_ALL)
	fmt.Println("AddrList:", addresses, err)
}
GO
go mod init finding 2>/dev/null
go get github.com/vishvananda/netlink@v1.3.1 2>/dev/null
CGO_ENABLED=0 go build -o lists .
unshare -Urn true || { echo "cannot be tried: no user namespaces" >&2 && exit 2; }
unshare -Urn ./lists | tee came
diff -u - came <<'EXPECTED'
LinkByIndex: Link not found
QdiscList: [] <nil>
FilterList: [] <nil>
ClassList: [] <nil>
AddrList: [] <nil>
EXPECTED
