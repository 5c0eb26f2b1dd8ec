//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	ebpflink "github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// countersTarget compares what a device counts with what it has sent.
func countersTarget() error {
	c, tid, err := newContainer()
	if err != nil {
		return err
	}
	index, err := pair(c, tid)
	if err != nil {
		return err
	}
	sender, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	send := func() error {
		return unix.Sendto(sender, []byte{1}, 0, &unix.SockaddrLinklayer{Protocol: swapped(testEthertype), Ifindex: index, Halen: 6})
	}
	count := func() (sent, dropped uint64, err error) {
		l, err := netlink.LinkByIndex(index)
		if err != nil {
			return 0, 0, err
		}
		s := l.Attrs().Statistics
		return s.TxPackets, s.TxDropped, nil
	}
	drop := &ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()}}
	prog, err := ebpf.NewProgram(drop)
	if err != nil {
		return err
	}
	sent, dropped, err := count()
	if err != nil {
		return err
	}
	if err := send(); err != nil {
		return err
	}
	l, err := ebpflink.AttachNetkit(ebpflink.NetkitOptions{Interface: index, Program: prog, Attach: ebpf.AttachNetkitPrimary})
	if err != nil {
		return err
	}
	err = want("dropped by a program", send(), unix.ENOBUFS)
	nowSent, nowDropped, countErr := count()
	// IPv6 may send by itself, which the program drops, too.
	asked, askErr := statsOf(index)
	if err := errors.Join(err, countErr, askErr, want("counted as dropped", nowDropped > dropped, true),
		want("told by RTM_GETSTATS, too", asked >= nowDropped, true),
		want("counted as sent", nowSent >= sent+1, true), l.Close()); err != nil {
		return err
	}
	return errors.Join(countFiltered(c, prog, send), filesAgree("eth0"))
}

// filesAgree compares what /proc/net/dev and sysfs say of a netkit device with what
// rtnetlink does, before and afterwards: IPv6 may send by itself.
func filesAgree(name string) error {
	before, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	told, err := os.ReadFile("/proc/thread-self/net/dev")
	if err != nil {
		return err
	}
	const rxPackets, txPackets, txDropped = 1, 9, 11
	read := map[string]uint64{}
	for line := range strings.Lines(string(told)) {
		if device, counts, found := strings.Cut(strings.TrimSpace(line), ":"); found && device == name {
			fields := strings.Fields(counts)
			for at, what := range map[int]string{rxPackets: "rx_packets", txPackets: "tx_packets", txDropped: "tx_dropped"} {
				if read["dev "+what], err = strconv.ParseUint(fields[at], 10, 64); err != nil {
					return err
				}
			}
		}
	}
	folder := "/sys/class/net/" + name + "/"
	for _, what := range []string{"rx_packets", "tx_packets", "tx_dropped"} {
		text, err := os.ReadFile(folder + "statistics/" + what)
		if err != nil {
			return err
		}
		if read["sysfs "+what], err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err != nil {
			return err
		}
	}
	after, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	from, to := before.Attrs().Statistics, after.Attrs().Statistics
	var wrong error
	for what, bounds := range map[string][2]uint64{
		"rx_packets": {from.RxPackets, to.RxPackets}, "tx_packets": {from.TxPackets, to.TxPackets}, "tx_dropped": {from.TxDropped, to.TxDropped},
	} {
		for _, source := range []string{"dev ", "sysfs "} {
			v, there := read[source+what]
			wrong = errors.Join(wrong, want(source+what+" agrees", there && v >= bounds[0] && v <= bounds[1], true))
		}
	}
	link, err := os.ReadFile(folder + "iflink")
	_, speed := os.ReadFile(folder + "speed")
	_, owner := os.ReadFile(folder + "owner")
	return errors.Join(wrong, err, want("iflink", strings.TrimSpace(string(link)), strconv.Itoa(after.Attrs().ParentIndex)),
		want("speed refused", errors.Is(speed, unix.EINVAL), true), want("owner refused", errors.Is(owner, unix.ENOENT), true))
}

// countFiltered compares what a qdisc counts with what its filters drop, and what was
// received before they did.
func countFiltered(c *container, prog *ebpf.Program, send func() error) error {
	return c.do(func() error {
		l, err := netlink.LinkByName("inside")
		if err != nil {
			return err
		}
		received := l.Attrs().Statistics.RxPackets
		attrs := netlink.QdiscAttrs{LinkIndex: l.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}
		if err := netlink.QdiscAdd(&netlink.Clsact{QdiscAttrs: attrs}); err != nil {
			return err
		}
		err = netlink.FilterAdd(&netlink.BpfFilter{
			FilterAttrs: netlink.FilterAttrs{LinkIndex: l.Attrs().Index, Parent: netlink.HANDLE_MIN_INGRESS, Protocol: unix.ETH_P_ALL, Priority: 1},
			Fd:          prog.FD(), Name: "drop", DirectAction: true,
		})
		if err != nil {
			return err
		}
		if err := send(); err != nil { // which no sender is told of
			return err
		}
		l, err = netlink.LinkByName("inside")
		if err != nil {
			return err
		}
		list, err := netlink.QdiscList(l)
		if err != nil {
			return err
		}
		err = want("qdiscs", len(list), 2)
		for _, q := range list {
			s := q.Attrs().Statistics
			counted := q.Type() == "clsact"
			err = errors.Join(err, want(q.Type()+" counts", s.Basic.Packets > 0, counted), want(q.Type()+" counts bytes", s.Basic.Bytes > 0, counted),
				want(q.Type()+" drops all", s.Queue.Drops == s.Basic.Packets, true))
		}
		return errors.Join(err, want("received", l.Attrs().Statistics.RxPackets > received, true))
	})
}

// statsOf is how many packets RTM_GETSTATS says that a device has dropped.
func statsOf(index int) (dropped uint64, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	const size, header, attribute, txDropped = 28, 28, 4, 7 // nlmsghdr and if_stats_msg
	m := native.AppendUint32(nil, size)
	m = native.AppendUint16(m, unix.RTM_GETSTATS)
	m = native.AppendUint16(m, unix.NLM_F_REQUEST)
	m = append(m, make([]byte, 12)...)
	m = native.AppendUint32(m, uint32(index))
	m = native.AppendUint32(m, 1) // IFLA_STATS_LINK_64, as a filter
	if err := unix.Sendto(fd, m, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, fmt.Errorf("RTM_GETSTATS: %w", err)
	}
	buf := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, buf, 0)
	if err != nil || n < header+attribute+8*(txDropped+1) {
		return 0, fmt.Errorf("RTM_GETSTATS: %d bytes: %w", n, err)
	}
	return native.Uint64(buf[header+attribute+8*txDropped:]), nil
}
