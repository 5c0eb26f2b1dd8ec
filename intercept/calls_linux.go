//go:build amd64 || arm64

package intercept

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
)

// handlers answer calls, by number.
var handlers map[uint32]func(*supervisor, *notify.Call)

func init() {
	handlers = map[uint32]func(*supervisor, *notify.Call){
		notify.Native.BPF:        (*supervisor).bpf,
		unix.SYS_STATFS:          (*supervisor).statfs,
		unix.SYS_FSTATFS:         (*supervisor).fstatfs,
		unix.SYS_READLINKAT:      (*supervisor).readlinkat,
		unix.SYS_UNLINKAT:        (*supervisor).unlinkat,
		unix.SYS_SOCKET:          (*supervisor).socket,
		unix.SYS_BIND:            (*supervisor).bind,
		unix.SYS_CONNECT:         (*supervisor).connectNetlink,
		unix.SYS_GETSOCKNAME:     (*supervisor).getsockname,
		unix.SYS_GETPEERNAME:     (*supervisor).getpeername,
		unix.SYS_SETSOCKOPT:      (*supervisor).setsockopt,
		unix.SYS_GETSOCKOPT:      (*supervisor).getsockopt,
		unix.SYS_SENDTO:          (*supervisor).sendto,
		unix.SYS_SENDMSG:         (*supervisor).sendmsg,
		unix.SYS_RECVFROM:        (*supervisor).receive,
		unix.SYS_RECVMSG:         (*supervisor).receive,
		unix.SYS_IOCTL:           (*supervisor).ioctl,
		unix.SYS_UNSHARE:         (*supervisor).wander,
		unix.SYS_SETNS:           (*supervisor).wander,
		unix.SYS_CLONE:           (*supervisor).wander,
		unix.SYS_CLONE3:          (*supervisor).wanderClone3,
		unix.SYS_EPOLL_CTL:       (*supervisor).epollCtl,
		unix.SYS_MOUNT:           (*supervisor).mount,
		unix.SYS_UNAME:           (*supervisor).uname,
		unix.SYS_OPENAT:          (*supervisor).openat,
		unix.SYS_OPENAT2:         (*supervisor).openat2,
		unix.SYS_PERF_EVENT_OPEN: (*supervisor).perfEventOpen,
		unix.SYS_MMAP:            (*supervisor).mmap,
		unix.SYS_CAPSET:          (*supervisor).drop,
		unix.SYS_PRLIMIT64:       (*supervisor).memlock,
		unix.SYS_SETRLIMIT:       (*supervisor).memlock,
		unix.SYS_GETRLIMIT:       (*supervisor).memlock,
		unix.SYS_SETUID:          (*supervisor).drop,
		unix.SYS_SETREUID:        (*supervisor).drop,
		unix.SYS_SETRESUID:       (*supervisor).drop,
	}
	addNativeHandlers(handlers)
}

// rules are the calls to be notified of.
func rules() []notify.Rule {
	newNetns := notify.Condition{Arg: 0, Test: notify.AnyBit, Value: unix.CLONE_NEWNET | unix.CLONE_NEWUSER}
	isNetlink := notify.Condition{Arg: 0, Test: notify.AtLeast, Value: firstNetlinkFD} // or for packets
	isPacket := notify.Condition{Arg: 0, Test: notify.AtLeast, Value: firstPacketFD}
	list := []notify.Rule{
		{Number: notify.Native.BPF},
		{Number: unix.SYS_STATFS},
		{Number: unix.SYS_FSTATFS},
		{Number: unix.SYS_READLINKAT},
		{Number: unix.SYS_UNLINKAT},
		{Number: unix.SYS_SOCKET, When: []notify.Condition{
			{Arg: 0, Test: notify.Equal, Value: unix.AF_NETLINK}, {Arg: 2, Test: notify.Equal, Value: unix.NETLINK_ROUTE},
		}},
		{Number: unix.SYS_SOCKET, When: []notify.Condition{
			{Arg: 0, Test: notify.Equal, Value: unix.AF_NETLINK}, {Arg: 2, Test: notify.Equal, Value: unix.NETLINK_GENERIC},
		}},
		{Number: unix.SYS_SOCKET, When: []notify.Condition{{Arg: 0, Test: notify.Equal, Value: unix.AF_PACKET}}},
		{Number: unix.SYS_BIND, When: []notify.Condition{isNetlink}},
		{Number: unix.SYS_CONNECT, When: []notify.Condition{isNetlink}},
		{Number: unix.SYS_GETSOCKNAME, When: []notify.Condition{isNetlink}},
		{Number: unix.SYS_SENDTO, When: []notify.Condition{isPacket}},
		{Number: unix.SYS_SENDTO, When: []notify.Condition{{Arg: 4, Test: notify.AnyBit, Value: 1<<32 - 1}}}, // with an address
		{Number: unix.SYS_SENDMSG, When: []notify.Condition{isPacket}},
		{Number: unix.SYS_RECVFROM, When: []notify.Condition{isNetlink}},
		{Number: unix.SYS_RECVMSG, When: []notify.Condition{isNetlink}},
		{Number: unix.SYS_SETSOCKOPT, When: []notify.Condition{
			{Arg: 1, Test: notify.Equal, Value: unix.SOL_NETLINK}, isNetlink,
		}},
		filterRule(0), filterRule(1), filterRule(2),
		{Number: unix.SYS_GETSOCKOPT, When: []notify.Condition{
			{Arg: 1, Test: notify.Equal, Value: unix.SOL_NETLINK}, isNetlink,
		}},
		{Number: unix.SYS_GETSOCKOPT, When: []notify.Condition{
			{Arg: 1, Test: notify.Equal, Value: unix.SOL_SOCKET}, isNetlink,
		}},
		{Number: unix.SYS_GETPEERNAME, When: []notify.Condition{isNetlink}},
		{Number: unix.SYS_UNSHARE, When: []notify.Condition{newNetns}},
		{Number: unix.SYS_SETNS},
		{Number: unix.SYS_CLONE, When: []notify.Condition{newNetns}},
		{Number: unix.SYS_CLONE3},
		{Number: unix.SYS_MOUNT},
		{Number: unix.SYS_UNAME},
		{Number: unix.SYS_OPENAT},
		{Number: unix.SYS_OPENAT2},
		{Number: unix.SYS_PERF_EVENT_OPEN},
		epollRule, mapRule,
		{Number: unix.SYS_CAPSET},
		{Number: unix.SYS_SETUID},
		{Number: unix.SYS_SETREUID},
		{Number: unix.SYS_SETRESUID},
	}
	for _, request := range slices.Concat(deviceIoctls, perfIoctls) {
		list = append(list, notify.Rule{
			Number: unix.SYS_IOCTL, When: []notify.Condition{{Arg: 1, Test: notify.Equal, Value: request}},
		})
	}
	return slices.Concat(list, memlockRules, nativeRules)
}

// filterRule is for one of filterOptions.
func filterRule(i int) notify.Rule {
	return notify.Rule{Number: unix.SYS_SETSOCKOPT, When: []notify.Condition{
		{Arg: 1, Test: notify.Equal, Value: unix.SOL_SOCKET}, {Arg: 2, Test: notify.Equal, Value: filterOptions[i]},
	}}
}
