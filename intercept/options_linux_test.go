//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// optionsTarget looks at what the kernel says of an rtnetlink socket. The answers are
// those of Linux 7.3.4 and 6.12.118.
func optionsTarget() error {
	var wrong []error
	want := func(what string, got, want any) {
		if got != want {
			wrong = append(wrong, fmt.Errorf("%s: %v, want %v", what, got, want))
		}
	}
	for _, typ := range []int{unix.SOCK_RAW, unix.SOCK_DGRAM} {
		fd, err := unix.Socket(unix.AF_NETLINK, typ|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		for option, value := range map[int]int{unix.SO_TYPE: typ, unix.SO_DOMAIN: unix.AF_NETLINK, unix.SO_PROTOCOL: unix.NETLINK_ROUTE} {
			got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, option)
			want(fmt.Sprint("option ", option), fmt.Sprint(got, err), fmt.Sprint(value, nil))
		}
		for _, option := range []int{unix.NETLINK_CAP_ACK, unix.NETLINK_EXT_ACK, unix.NETLINK_GET_STRICT_CHK} {
			before, err1 := unix.GetsockoptInt(fd, unix.SOL_NETLINK, option)
			err2 := unix.SetsockoptInt(fd, unix.SOL_NETLINK, option, 1)
			after, err3 := unix.GetsockoptInt(fd, unix.SOL_NETLINK, option)
			want(fmt.Sprint("netlink's option ", option), fmt.Sprint(before, after, errors.Join(err1, err2, err3)), fmt.Sprint(0, 1, nil))
		}
		_, err = unix.GetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP)
		want("an option that is only set", err, unix.ENOPROTOOPT)
		want("no such group", unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, 999), unix.EINVAL)
		want("no such option", unix.SetsockoptInt(fd, unix.SOL_NETLINK, 77, 1), unix.ENOPROTOOPT)
		want("a group", unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, unix.RTNLGRP_LINK), nil)
		want("bind", unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_IPV4_IFADDR}), nil)
		groups, err := unix.GetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_LIST_MEMBERSHIPS)
		want("groups after bind", fmt.Sprint(groups, err), fmt.Sprint(unix.RTMGRP_IPV4_IFADDR, nil))
		peer, err := unix.Getpeername(fd)
		if a, ok := peer.(*unix.SockaddrNetlink); !ok || a.Pid != 0 || err != nil {
			wrong = append(wrong, fmt.Errorf("getpeername: %v, %v", peer, err))
		}
	}
	return errors.Join(wrong...)
}
