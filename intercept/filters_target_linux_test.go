//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// filtersTarget makes requests about qdiscs and filters on lo and prints all that
// comes back, byte for byte but for what differs from run to run: ids of programs,
// sequence numbers and ports.
func filtersTarget() error {
	runtime.LockOSThread()
	t := &filtersTester{}
	err := loopbackUp() // so that it has the same qdisc everywhere
	if err == nil {
		t.asks, err = openRoute(0)
	}
	if err == nil {
		t.hears, err = openRoute(1 << (unix.RTNLGRP_TC - 1))
	}
	for _, name := range []string{"first", "second"} {
		if err == nil {
			t.names = append(t.names, name)
			err = t.load()
		}
	}
	if err != nil {
		return err
	}
	t.script()
	return t.err
}

type filtersTester struct {
	asks, hears int
	progs, ids  []int
	tags        [][]byte
	names       []string
	sequence    uint32
	port        uint32
	err         error
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("ifreq: %w", err)
	}
	request.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

func openRoute(groups uint32) (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups})
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	}
	return fd, err
}

// load loads a program and notes its id and tag.
func (t *filtersTester) load() error {
	fd, err := loadProgram()
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	info := make([]byte, 40)
	low, high := address(&info[0])
	if _, err := bpfCall(15, words(uint32(fd), uint32(len(info)), low, high)); err != nil {
		return fmt.Errorf("info: %w", err)
	}
	t.progs = append(t.progs, fd)
	t.ids = append(t.ids, int(binary.NativeEndian.Uint32(info[4:])))
	t.tags = append(t.tags, info[8:16])
	return nil
}

const (
	tcKind, tcOptions, tcChain          = 1, 2, 11
	bpfClassID, bpfFD, bpfName          = 3, 6, 7
	bpfFlags, bpfGenFlags               = 8, 9
	add, replaces, echo, ack, dumpFlags = 0x600, 0x500, 8, 4, 0x300
)

func attribute(typ uint16, value []byte) []byte {
	p := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	p = binary.NativeEndian.AppendUint16(p, typ)
	p = append(p, value...)
	return append(p, make([]byte, (4-len(value)%4)%4)...)
}

func text(s string) []byte { return append([]byte(s), 0) }

// ask sends a request and prints the answers, then what the other socket is told.
func (t *filtersTester) ask(what string, typ, flags uint16, ifindex, handle, parent, info uint32, attributes ...[]byte) {
	if t.err != nil {
		return
	}
	t.sequence++
	body := words(0, ifindex, handle, parent, info)
	for _, a := range attributes {
		body = append(body, a...)
	}
	p := binary.NativeEndian.AppendUint32(nil, uint32(16+len(body)))
	p = binary.NativeEndian.AppendUint16(p, typ)
	p = binary.NativeEndian.AppendUint16(p, flags|unix.NLM_F_REQUEST)
	p = append(p, words(t.sequence, 0)...)
	p = append(p, body...)
	fmt.Println("#", what)
	if t.err = unix.Sendto(t.asks, p, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); t.err != nil {
		return
	}
	for {
		buf, err := receiveRoute(t.asks, 0)
		if t.err = err; err != nil {
			return
		}
		if t.print("", buf) {
			break
		}
	}
	for { // all has been sent before the answer
		buf, err := receiveRoute(t.hears, unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EAGAIN) {
			return
		}
		if t.err = err; err != nil {
			return
		}
		t.print("heard ", buf)
	}
}

func receiveRoute(fd, flags int) ([]byte, error) {
	buf := make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(fd, buf, flags)
		if err != unix.EINTR {
			return buf[:max(n, 0)], err
		}
	}
}

// print reports whether the answer is at its end.
func (t *filtersTester) print(prefix string, buf []byte) (done bool) {
	for len(buf) >= 16 {
		size, typ := binary.NativeEndian.Uint32(buf), binary.NativeEndian.Uint16(buf[4:])
		flags, sequence, port := binary.NativeEndian.Uint16(buf[6:]), binary.NativeEndian.Uint32(buf[8:]), binary.NativeEndian.Uint32(buf[12:])
		body := bytes.Clone(buf[16:size])
		buf = buf[min(int(size+3)&^3, len(buf)):]
		if t.port == 0 {
			t.port = port
		}
		if typ == unix.NLMSG_ERROR { // with a copy of the request
			copy(body[4+8:], make([]byte, 8))
		}
		fmt.Printf("%s%d flags %#x sequence %t port %t\n%s", prefix, typ, flags, sequence == t.sequence, port == t.port, hex.Dump(t.plain(body)))
		done = done || typ == unix.NLMSG_ERROR || typ == unix.NLMSG_DONE
	}
	return done
}

// plain replaces ids and tags of the programs by what does not change, also fds in
// copies of requests.
func (t *filtersTester) plain(body []byte) []byte {
	for i := range t.progs {
		for _, a := range []struct{ from, to []byte }{
			{attribute(11, words(uint32(t.ids[i]))), attribute(11, words(uint32(i)))},
			{attribute(10, t.tags[i]), attribute(10, []byte("the tag "))},
			{attribute(bpfFD, words(uint32(t.progs[i]))), attribute(bpfFD, words(uint32(i)))},
		} {
			body = bytes.ReplaceAll(body, a.from, a.to)
		}
	}
	return body
}

func (t *filtersTester) filter(prog int, more ...[]byte) []byte {
	options := attribute(bpfFD, words(uint32(t.progs[prog])))
	options = append(options, attribute(bpfName, text(t.names[prog]))...)
	for _, m := range more {
		options = append(options, m...)
	}
	return attribute(tcOptions, options)
}

const (
	parentClsact, parentIn, parentOut = 0xfffffff1, 0xfffffff2, 0xfffffff3
	newQdisc, delQdisc, getQdisc      = 36, 37, 38
	newFilter, delFilter, getFilter   = 44, 45, 46
	newChain, delChain, getChain      = 100, 101, 102
)

func (t *filtersTester) script() {
	lo := uint32(loIndex)
	clsact, bpf := attribute(tcKind, text("clsact")), attribute(tcKind, text("bpf"))
	direct := attribute(bpfFlags, words(1))
	info := func(priority uint32) uint32 { return priority<<16 | 0x0300 } // ETH_P_ALL
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		info = func(priority uint32) uint32 { return priority<<16 | 3 }
	}
	t.ask("qdiscs before", getQdisc, dumpFlags, 0, 0, 0, 0)
	t.ask("delete a qdisc that never was", delQdisc, ack, lo, 0xffff0000, parentClsact, 0, clsact)
	t.ask("filter without qdisc", newFilter, ack|add, lo, 0, parentIn, info(1), bpf, t.filter(0, direct))
	t.ask("filters without qdisc", getFilter, dumpFlags, lo, 0, parentIn, 0)
	t.ask("change a qdisc that is not there", newQdisc, ack, lo, 0, parentClsact, 0, clsact)
	t.ask("qdisc of no device", newQdisc, ack|add, 9999, 0, parentClsact, 0, clsact)
	t.ask("qdisc without kind", newQdisc, ack|add, lo, 0, parentClsact, 0)
	t.ask("qdisc of an unknown kind", newQdisc, ack|add, lo, 0, parentClsact, 0, attribute(tcKind, text("nonesuch")))
	t.ask("qdisc", newQdisc, ack|add|echo, lo, 0xffff0000, parentClsact, 0, clsact)
	t.ask("qdisc again", newQdisc, ack|add, lo, 0xffff0000, parentClsact, 0, clsact)
	t.ask("qdisc of another kind", newQdisc, ack|0x400, lo, 0xffff0000, parentClsact, 0, attribute(tcKind, text("ingress")))
	t.ask("replace the qdisc", newQdisc, ack|replaces, lo, 0xffff0000, parentClsact, 0, clsact)
	t.ask("replace the qdisc, with options", newQdisc, ack|replaces, lo, 0, parentClsact, 0, clsact, attribute(tcOptions, nil))
	t.ask("qdisc by its handle", getQdisc, ack, lo, 0xffff0000, 0, 0)
	t.ask("qdisc by its parent", getQdisc, ack, lo, 0, parentClsact, 0)
	t.ask("qdisc by another handle", getQdisc, ack, lo, 0x10000, parentClsact, 0)
	t.ask("delete the qdisc without parent", delQdisc, ack, lo, 0xffff0000, 0, 0)
	t.ask("change the qdisc by its handle", newQdisc, ack, lo, 0xffff0000, 0, 0, clsact)
	t.ask("qdiscs", getQdisc, dumpFlags, 0, 0, 0, 0)

	t.ask("filter", newFilter, ack|add|echo, lo, 0, parentIn, info(1), bpf, t.filter(0, direct))
	t.ask("filter of a chosen priority", newFilter, ack|add|echo, lo, 0, parentIn, info(0), bpf, t.filter(1, direct))
	t.ask("filter beside it", newFilter, ack|0x400, lo, 7, parentIn, info(1), bpf, t.filter(1, direct, attribute(bpfClassID, words(0x10001))))
	t.ask("the same again", newFilter, ack|add, lo, 7, parentIn, info(1), bpf, t.filter(1, direct))
	t.ask("replace it", newFilter, ack|replaces|echo, lo, 7, parentIn, info(1), bpf, t.filter(0, attribute(bpfGenFlags, words(1))))
	t.ask("change what is not there", newFilter, ack, lo, 8, parentIn, info(1), bpf, t.filter(0, direct))
	t.ask("filter without kind", newFilter, ack|add, lo, 0, parentIn, info(3), t.filter(0, direct))
	t.ask("filter without options", newFilter, ack|add, lo, 0, parentIn, info(3), bpf)
	t.ask("filter with wrong flags", newFilter, ack|add, lo, 0, parentIn, info(3), bpf, t.filter(0, attribute(bpfFlags, words(2))))
	t.ask("filter for hardware alone", newFilter, ack|add, lo, 0, parentIn, info(3), bpf, t.filter(0, direct, attribute(bpfGenFlags, words(2))))
	t.ask("filter of no program", newFilter, ack|add, lo, 0, parentIn, info(3), bpf, attribute(tcOptions, attribute(bpfFD, words(999))))
	t.ask("filter of no chain", newFilter, ack|add, lo, 0, parentIn, info(3), bpf, t.filter(0, direct), attribute(tcChain, words(1<<28)))
	t.ask("filter of another kind", newFilter, ack|add, lo, 0, parentIn, info(1), attribute(tcKind, text("u32")))
	t.ask("filter of chain 5", newFilter, ack|add, lo, 0, parentIn, info(1), bpf, t.filter(0, direct), attribute(tcChain, words(5)))
	t.ask("filter of no hook", newFilter, ack|add, lo, 0, 0xffff0001, info(1), bpf, t.filter(0, direct))
	t.ask("filter without name", newFilter, ack|add, lo, 0, parentOut, info(4), bpf, attribute(tcOptions, append(attribute(bpfFD, words(uint32(t.progs[0]))), direct...)))

	t.ask("filters", getFilter, dumpFlags, lo, 0, parentIn, 0)
	t.ask("filters of the other hook", getFilter, dumpFlags, lo, 0, parentOut, 0)
	t.ask("filters of a chain", getFilter, dumpFlags, lo, 0, parentIn, 0, attribute(tcChain, words(5)))
	t.ask("filters of a priority", getFilter, dumpFlags, lo, 0, parentIn, info(1))
	t.ask("filters of a priority and another protocol", getFilter, dumpFlags, lo, 0, parentIn, 1<<16|8)
	t.ask("filters of no device", getFilter, dumpFlags, 9999, 0, parentIn, 0)
	t.ask("get a filter", getFilter, ack, lo, 7, parentIn, info(1), bpf)
	t.ask("get a filter that is not there", getFilter, ack, lo, 9, parentIn, info(1), bpf)
	t.ask("get a priority that is not there", getFilter, ack, lo, 9, parentIn, info(2), bpf)
	t.ask("get a priority of another protocol", getFilter, ack, lo, 9, parentIn, 1<<16|8, bpf)
	t.ask("get without priority", getFilter, ack, lo, 7, parentIn, info(0), bpf)
	t.ask("get of another chain", getFilter, ack, lo, 7, parentIn, info(1), bpf, attribute(tcChain, words(6)))
	t.ask("get of another kind", getFilter, ack, lo, 7, parentIn, info(1), attribute(tcKind, text("u32")))

	t.ask("delete a filter", delFilter, ack|echo, lo, 7, parentIn, info(1), bpf)
	t.ask("delete it again", delFilter, ack, lo, 7, parentIn, info(1), bpf)
	t.ask("delete of another kind", delFilter, ack, lo, 1, parentIn, info(1), attribute(tcKind, text("u32")))
	t.ask("delete of another chain", delFilter, ack, lo, 1, parentIn, info(1), bpf, attribute(tcChain, words(6)))
	t.ask("delete a priority that is not there", delFilter, ack, lo, 0, parentIn, info(2), bpf)
	t.ask("flush a kind", delFilter, ack, lo, 0, parentIn, 0, bpf)
	t.ask("delete a priority", delFilter, ack|echo, lo, 0, parentIn, info(1), bpf)
	t.ask("flush", delFilter, ack|echo, lo, 0, parentIn, 0)
	t.ask("filters that are left", getFilter, dumpFlags, lo, 0, parentIn, 0)
	chain := func(n uint32) []byte { return attribute(tcChain, words(n)) }
	t.ask("chain", newChain, ack|add|echo, lo, 0, parentIn, 0, chain(8))
	t.ask("chain again", newChain, ack|add, lo, 0, parentIn, 0, chain(8))
	t.ask("chain without create", newChain, ack, lo, 0, parentIn, 0, chain(9))
	t.ask("chain that has filters", newChain, ack|add, lo, 0, parentIn, 0, chain(5))
	t.ask("chain of no hook", newChain, ack|add, lo, 0, 0xffff0001, 0, chain(8))
	t.ask("chain of a large number", newChain, ack|add, lo, 0, parentIn, 0, chain(1<<28))
	t.ask("filter of the chain", newFilter, ack|add, lo, 0, parentIn, info(1), bpf, t.filter(0, direct), chain(8))
	t.ask("delete it", delFilter, ack, lo, 1, parentIn, info(1), bpf, chain(8))
	t.ask("filters of the chain", getFilter, dumpFlags, lo, 0, parentIn, 0, chain(8))
	t.ask("chains", getChain, dumpFlags, lo, 0, parentIn, 0)
	t.ask("chains of a number", getChain, dumpFlags, lo, 0, parentIn, 0, chain(5))
	t.ask("chains of the other hook", getChain, dumpFlags, lo, 0, parentOut, 0)
	t.ask("get a chain", getChain, ack, lo, 0, parentIn, 0, chain(8))
	t.ask("get chain 0", getChain, ack, lo, 0, parentIn, 0)
	t.ask("delete the chain", delChain, ack|echo, lo, 0, parentIn, 0, chain(8))
	t.ask("delete it again", delChain, ack, lo, 0, parentIn, 0, chain(8))
	t.ask("delete a chain that has filters", delChain, ack|echo, lo, 0, parentIn, 0, chain(5))
	t.ask("chain 5 by itself", newChain, ack|add, lo, 0, parentIn, 0, chain(5))
	t.ask("chains then", getChain, dumpFlags, lo, 0, parentIn, 0)
	t.ask("delete the qdisc, by another kind", delQdisc, ack, lo, 0xffff0000, parentClsact, 0, attribute(tcKind, text("ingress")))
	t.ask("the other kind in its place", newQdisc, ack|add|echo, lo, 0, parentClsact, 0, attribute(tcKind, text("ingress")))
	t.ask("its filter", newFilter, ack|add|echo, lo, 0, parentOut, info(1), bpf, t.filter(0, direct))
	t.ask("its filters", getFilter, dumpFlags, lo, 0, parentIn, 0)
	t.ask("qdiscs then", getQdisc, dumpFlags, 0, 0, 0, 0)
	t.ask("delete the qdisc", delQdisc, ack|echo, lo, 0xffff0000, parentClsact, 0, attribute(tcKind, text("ingress")))
	t.ask("delete it again", delQdisc, ack, lo, 0xffff0000, parentClsact, 0, clsact)
	t.ask("delete it again, without handle", delQdisc, ack, lo, 0, parentClsact, 0)
	t.ask("qdiscs behind", getQdisc, dumpFlags, 0, 0, 0, 0)
	if t.err != nil {
		fmt.Fprintln(os.Stderr, t.err)
	}
}
