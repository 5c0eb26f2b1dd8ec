//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// classifierTarget manages a filter with a library, pins its program and has iproute2's
// tc, if there is one, list it and add another.
func classifierTarget() error {
	prog, err := loadProgram()
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	lo := netlink.QdiscAttrs{LinkIndex: loIndex, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}
	qdisc := &netlink.Clsact{QdiscAttrs: lo}
	filter := &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: loIndex, Parent: netlink.HANDLE_MIN_INGRESS, Handle: 1, Protocol: unix.ETH_P_ALL, Priority: 5,
		},
		Fd: prog, Name: "mine", DirectAction: true,
	}
	device, err := netlink.LinkByIndex(loIndex)
	if err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	list := func() ([]netlink.Filter, error) { return netlink.FilterList(device, netlink.HANDLE_MIN_INGRESS) }
	for _, step := range []struct {
		what string
		do   func() error
		want error
	}{
		{"delete no qdisc", func() error { return netlink.QdiscDel(qdisc) }, unix.ENOENT},
		{"filter without qdisc", func() error { return netlink.FilterAdd(filter) }, unix.EINVAL},
		{"qdisc", func() error { return netlink.QdiscAdd(qdisc) }, nil},
		{"qdisc again", func() error { return netlink.QdiscAdd(qdisc) }, unix.EEXIST},
		{"qdisc replaced", func() error { return netlink.QdiscReplace(qdisc) }, nil},
		{"filter", func() error { return netlink.FilterAdd(filter) }, nil},
		{"filter again", func() error { return netlink.FilterAdd(filter) }, unix.EEXIST},
		{"filter replaced", func() error { return netlink.FilterReplace(filter) }, nil},
		{"tc", func() error { return tcTarget(prog) }, nil},
		{"list", func() error {
			found, err := list()
			if err != nil || len(found) != 1 {
				return fmt.Errorf("%d filters, want 1: %v", len(found), err)
			}
			f, ok := found[0].(*netlink.BpfFilter)
			if !ok || f.Name != "mine" || !f.DirectAction || f.Priority != 5 || f.Id == 0 {
				return fmt.Errorf("it is %+v", found[0])
			}
			return nil
		}, nil},
		{"delete the filter", func() error { return netlink.FilterDel(filter) }, nil},
		{"delete it again", func() error { return netlink.FilterDel(filter) }, unix.ENOENT},
		{"delete the qdisc", func() error { return netlink.QdiscDel(qdisc) }, nil},
		{"delete it again", func() error { return netlink.QdiscDel(qdisc) }, unix.EINVAL},
	} {
		if err := step.do(); !errors.Is(err, step.want) {
			return fmt.Errorf("%s: got %v, want %v", step.what, err, step.want)
		}
	}
	return nil
}

// tcTarget has tc show the filter, and add and delete another of the same program.
func tcTarget(prog int) error {
	tc, err := exec.LookPath("tc")
	if err != nil {
		fmt.Println("without tc:", err)
		return nil
	}
	const path = "/sys/fs/bpf/classifier"
	if err := pin(path, prog); err != nil {
		return err
	}
	defer func() { _ = unix.Unlink(path) }()
	const show = "filter show dev lo ingress"
	for _, step := range []struct{ arguments, shows string }{
		{"qdisc show dev lo", `(?m)^qdisc clsact ffff: parent ffff:fff1 *$`},
		{show, `pref 5 bpf chain 0 handle 0x1 mine direct-action not_in_hw id \d+ name ` + targetName + ` tag [0-9a-f]{16}`},
		{"filter add dev lo ingress prio 2 handle 7 bpf da pinned " + path, `^$`},
		{show, `(?s)pref 2 bpf chain 0 handle 0x7 .*pref 5 bpf chain 0 handle 0x1 mine`},
		{"filter get dev lo ingress protocol all prio 2 handle 7 bpf", `pref 2 bpf chain 0 handle 0x7`},
		{"filter del dev lo ingress prio 2", `^$`},
		{"chain show dev lo ingress", `chain parent ffff: chain 0`},
	} {
		arguments := regexp.MustCompile(` +`).Split(step.arguments, -1)
		out, err := exec.Command(tc, arguments...).CombinedOutput()
		if err != nil || !regexp.MustCompile(step.shows).Match(out) {
			return fmt.Errorf("tc %s: %v: %s", step.arguments, err, out)
		}
	}
	return nil
}

// pin is BPF_OBJ_PIN.
func pin(path string, fd int) error {
	name := text(path)
	low, high := address(&name[0])
	if _, err := bpfCall(6, words(low, high, uint32(fd), 0)); err != nil {
		return fmt.Errorf("pin: %w", err)
	}
	return nil
}
