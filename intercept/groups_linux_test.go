//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/rtnl"
)

// groupsTarget looks from which group notifications come, which libraries tell them from
// answers by (systemd's sd-netlink). Where there is no simulated kernel it passes, too.
func groupsTarget() error {
	type heard struct {
		typ    uint16
		group  uint32 // of NETLINK_PKTINFO
		groups uint32 // of the sender's address
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, group := range []int{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_NSID} {
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group); err != nil {
			return fmt.Errorf("join group %d: %w", group, err)
		}
	}
	err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_PKTINFO, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10}))
	if err != nil {
		return fmt.Errorf("options: %w", err)
	}
	receive := func(room, flags int) (h heard, flagged int, err error) {
		buf, control := make([]byte, 1<<16), make([]byte, room)
		n, controlled, flagged, from, err := unix.Recvmsg(fd, buf, control, flags)
		if err != nil || n < 16 {
			return h, 0, fmt.Errorf("received %d bytes: %w", n, err)
		}
		h.typ = native.Uint16(buf[4:])
		if a, ok := from.(*unix.SockaddrNetlink); ok {
			h.groups = a.Groups
		}
		messages, err := unix.ParseSocketControlMessage(control[:controlled])
		for _, m := range messages {
			if m.Header.Level == unix.SOL_NETLINK && m.Header.Type == unix.NETLINK_PKTINFO {
				h.group = native.Uint32(m.Data)
			}
		}
		return h, flagged, err
	}
	request := rtnl.Ask{Seq: 7}
	const room = 64
	up := heard{unix.RTM_NEWLINK, unix.RTNLGRP_LINK, 1}
	address := heard{unix.RTM_NEWADDR, unix.RTNLGRP_IPV4_IFADDR, 1 << (unix.RTNLGRP_IPV4_IFADDR - 1)}
	deadline := time.Now().Add(10 * time.Second)
	// ask sends a request, and looks for messages among what comes.
	ask := func(what string, message []byte, want ...heard) error {
		if err := unix.Sendto(fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		for len(want) > 0 {
			looked, _, err1 := receive(room, unix.MSG_PEEK)
			got, _, err2 := receive(room, 0)
			if err := errors.Join(err1, err2); err != nil || time.Now().After(deadline) {
				return fmt.Errorf("%s: %w; want %v", what, err, want)
			}
			if looked != got {
				return fmt.Errorf("%s: %v, and %v when looked at", what, got, looked)
			}
			if got.typ != want[0].typ && got.group != 0 { // another notification
				continue
			}
			if got != want[0] {
				return fmt.Errorf("%s: %v, want %v", what, got, want[0])
			}
			want = want[1:]
		}
		return nil
	}
	answer := heard{typ: unix.NLMSG_ERROR}
	err = errors.Join(
		ask("down", request.Set(loIndex, 0, unix.IFF_UP, nil), up, answer),
		ask("get", rtnl.Lookup(loIndex, 8), heard{typ: unix.RTM_NEWLINK}),
		ask("up", request.Set(loIndex, unix.IFF_UP, unix.IFF_UP, nil), up, answer),
		ask("address", addressMessage(loIndex), address, answer),
	)
	if err != nil {
		return err
	}
	// Where there is no room for it, it is missing, which is told.
	if err := unix.Sendto(fd, rtnl.Lookup(loIndex, 9), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	if _, flagged, err := receive(8, 0); err != nil || flagged&unix.MSG_CTRUNC == 0 {
		return fmt.Errorf("without room: flags %#x, %w", flagged, err)
	}
	return nil
}

// addressMessage has a device get the address 10.77.0.1/24.
func addressMessage(ifindex uint32) []byte {
	address := []byte{10, 77, 0, 1}
	p := []byte{unix.AF_INET, 24, 0, 0}
	p = native.AppendUint32(p, ifindex)
	for _, typ := range []uint16{unix.IFA_LOCAL, unix.IFA_ADDRESS} {
		p = native.AppendUint16(native.AppendUint16(p, 8), typ)
		p = append(p, address...)
	}
	m := native.AppendUint32(nil, uint32(16+len(p)))
	m = native.AppendUint16(m, unix.RTM_NEWADDR)
	m = native.AppendUint16(m, unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_CREATE)
	return append(append(m, 9, 0, 0, 0, 0, 0, 0, 0), p...)
}
