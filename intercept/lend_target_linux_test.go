//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// onTheKernel, if set, has the target run on the running kernel.
const onTheKernel = "INTERCEPT_TEST_ON_THE_KERNEL"

// lendTarget has filters of kind u32 on a clsact qdisc, of lo and of a netkit device, and on
// a qdisc of another place with clsact's handle. Where programs are refused, it is the simulated kernel's answer alone.
func lendTarget() error {
	prog, names := -1, []string{"lo"}
	if os.Getenv(onTheKernel) == "" {
		var err error
		if prog, err = loadProgram(); err != nil {
			return fmt.Errorf("load: %w", err)
		}
		names = append(names, "nk0")
	}
	for _, name := range names {
		if err := lendOn(name, prog); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func lendOn(name string, prog int) error {
	device, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	index := device.Attrs().Index
	qdisc := &netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT,
	}}
	htb := netlink.NewHtb(netlink.QdiscAttrs{LinkIndex: index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_ROOT})
	at := func(parent uint32, priority uint16) netlink.FilterAttrs {
		return netlink.FilterAttrs{LinkIndex: index, Parent: parent, Protocol: unix.ETH_P_ALL, Priority: priority}
	}
	u32 := func(parent uint32) netlink.Filter {
		return &netlink.U32{FilterAttrs: at(parent, 3), ClassId: netlink.MakeHandle(1, 1)}
	}
	const ingress, egress = netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS
	bpf := &netlink.BpfFilter{FilterAttrs: at(ingress, 5), Fd: prog, Name: "mine", DirectAction: true}
	// lists looks whether filters are told of, which may be more than were asked for, and how
	// many qdiscs at clsact's handle.
	lists := func(parent uint32, filters bool, qdiscs int) func() error {
		return func() error {
			found, err1 := netlink.FilterList(device, parent)
			all, err2 := netlink.QdiscList(device)
			at := 0
			for _, q := range all {
				if q.Attrs().Handle == netlink.MakeHandle(0xffff, 0) {
					at++
				}
			}
			if err := errors.Join(err1, err2); err != nil {
				return err
			}
			if len(found) > 0 != filters || at != qdiscs {
				return fmt.Errorf("%d filters, want any: %t; %d qdiscs, want %d", len(found), filters, at, qdiscs)
			}
			return nil
		}
	}
	for _, step := range []struct {
		what     string
		do       func() error
		want     error
		programs bool // it is about them
	}{
		{"one at the root with its handle", func() error { return netlink.QdiscAdd(htb) }, nil, false},
		{"a filter there", func() error { return netlink.FilterAdd(u32(netlink.MakeHandle(0xffff, 0))) }, nil, false},
		{"listed there", lists(netlink.MakeHandle(0xffff, 0), true, 1), nil, false},
		{"delete that", func() error { return netlink.QdiscDel(htb) }, nil, false},
		{"qdisc", func() error { return netlink.QdiscAdd(qdisc) }, nil, false},
		{"another kind's filter", func() error { return netlink.FilterAdd(u32(ingress)) }, nil, false},
		{"list", lists(ingress, true, 1), nil, false},
		{"list of the other side", lists(egress, false, 1), nil, false},
		{"another one", func() error { return netlink.FilterAdd(u32(egress)) }, nil, false},
		{"both listed", lists(egress, true, 1), nil, false},
		{"a program beside it", func() error { return netlink.FilterAdd(bpf) }, unix.EOPNOTSUPP, true},
		{"qdisc again", func() error { return netlink.QdiscAdd(qdisc) }, unix.EEXIST, false},
		{"delete the qdisc", func() error { return netlink.QdiscDel(qdisc) }, nil, false},
		{"delete it again", func() error { return netlink.QdiscDel(qdisc) }, unix.EINVAL, false},
		{"a new one", func() error { return netlink.QdiscAdd(qdisc) }, nil, false},
		{"which has no filters", lists(ingress, false, 1), nil, false},
		{"a program", func() error { return netlink.FilterAdd(bpf) }, nil, true},
		{"another kind beside it", func() error { return netlink.FilterAdd(u32(ingress)) }, unix.EOPNOTSUPP, true},
		{"delete the new one", func() error { return netlink.QdiscDel(qdisc) }, nil, false},
	} {
		if prog < 0 && step.programs {
			continue
		}
		if err := step.do(); !errors.Is(err, step.want) {
			return fmt.Errorf("%s: got %v, want %v", step.what, err, step.want)
		}
	}
	return nil
}
