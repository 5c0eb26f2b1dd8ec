//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/intercept/rtnl"
	"github.com/nkconform/nkconform/mprog"
)

const socketTypes = 0xf // SOCK_TYPE_MASK

// firstNetlinkFD is the lowest number of a netlink socket in the program. The
// filter knows them by that, and leaves calls on all other sockets alone.
const firstNetlinkFD = 900

// netlinkSocket is a netlink socket of the program, as which it has one end of a pair
// of sockets.
type netlinkSocket struct {
	*rtnl.Socket
	proxy
	sender uint32 // the process whose request is in hand, as its fds may be another's
	groups uint32 // of bind(2)
	// announced are datagrams for groups, the oldest first; informs is NETLINK_PKTINFO.
	announced []announced
	informs   bool
	typ       uint32 // SOCK_RAW or SOCK_DGRAM
}

// socket answers socket(2) for rtnetlink and for packets.
func (s *supervisor) socket(c *notify.Call) {
	switch {
	case uint32(c.Args[0]) == unix.AF_PACKET:
		s.packetSocket(c)
		return
	case c.Args[2] == unix.NETLINK_GENERIC:
		if len(s.wires.ends) > 0 {
			s.warn("generic netlink is the running kernel's: of a netkit device it tells ethtool what a TAP device has")
		}
		_ = s.listener.Continue(c)
		return
	}
	who := s.caller(c)
	if s.options.Parallel {
		s.reaches(who)
	}
	netns := who.Netns()
	made, theirs, err := s.files.pair()
	if err != nil {
		_ = s.listener.Answer(c, 0, unix.EMFILE)
		return
	}
	defer unix.Close(theirs)
	n := &netlinkSocket{proxy: proxy{s: s, end: made.end, owner: c.TID, kernel: -1}, typ: uint32(c.Args[1]) & socketTypes}
	n.Socket = &rtnl.Socket{
		Netns: netns, Port: s.nextPort(), Send: n.hear, ReadOnly: !s.private, Namespace: n.namespace,
		Settle: s.wires.review,
	}
	n.Traffic = n.traffic
	if s.log != nil {
		n.Explain = func(asked, answered string) { s.log.printf("[%d] %s = %s\n", n.sender, asked, answered) }
	}
	made.socket = n
	if s.inNetns(c.TID, netns, n.connect) == nil {
		n.Forward = n.forward
	}
	if unix.SetsockoptInt(made.end, unix.SOL_SOCKET, unix.SO_PASSCRED, 1) != nil {
		s.abandon(made, c, unix.ENOMEM)
		return
	}
	if number, ok := s.place(c, made, theirs, firstNetlinkFD); ok {
		s.rtnl.Open(n.Socket)
		if s.log != nil {
			s.log.line(c, "socket(AF_NETLINK, NETLINK_ROUTE)", strconv.Itoa(number))
		}
	}
}

// nextPort makes up a port id for a socket that has none of the kernel's.
func (s *supervisor) nextPort() uint32 {
	s.lastPort++
	return 1<<31 + s.lastPort
}

// connect opens a socket of the running kernel's in the program's network
// namespace.
func (n *netlinkSocket) connect() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("rtnetlink: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return errors.Join(fmt.Errorf("rtnetlink: %w", err), unix.Close(fd))
	}
	address, err := unix.Getsockname(fd)
	if err != nil {
		return errors.Join(fmt.Errorf("rtnetlink: %w", err), unix.Close(fd))
	}
	if a, ok := address.(*unix.SockaddrNetlink); ok {
		n.Port = a.Pid
	}
	n.kernel = fd
	return nil
}

func (n *netlinkSocket) close() {
	n.s.rtnl.Close(n.Socket)
	n.disconnect()
}

// hear queues a datagram for the program.
func (n *netlinkSocket) hear(datagram []byte) {
	n.note(datagram)
	n.send(datagram)
}

// requests answers what the program has sent since.
func (n *netlinkSocket) requests() {
	n.flush()
	buf := n.s.buffer()
	var credentials [64]byte
	for {
		size, oobSize, _, _, err := unix.Recvmsg(n.end, buf, credentials[:], 0)
		if err != nil || size <= 0 {
			return
		}
		n.sender = n.owner
		if control, err := unix.ParseSocketControlMessage(credentials[:oobSize]); err == nil && len(control) == 1 {
			if who, err := unix.ParseUnixCredentials(&control[0]); err == nil && who.Pid > 0 {
				n.sender = uint32(who.Pid)
			}
		}
		n.s.rtnl.Request(n.Socket, buf[:size:size])
	}
}

// forward asks the running kernel. It answers while the request is sent, and
// goes on with a list while an answer is read.
func (n *netlinkSocket) forward(request []byte) (datagrams [][]byte) {
	to := n.Netns // where a device goes that is then gone here
	if fd, ok := rtnl.NetnsFD(request); ok {
		to, _ = n.namespace(rtnl.AttrNetnsFD, fd)
	}
	request, opened := n.translate(request)
	defer func() {
		for _, fd := range opened {
			unix.Close(fd)
		}
	}()
	if err := unix.Sendto(n.kernel, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil
	}
	datagrams = n.received()
	if rtnl.Changes(request) {
		n.review(to)
	}
	return datagrams
}

// reviewSeq marks requests that are not the program's.
const reviewSeq = 0x6e6b6366

// review drops hooks of the running kernel's devices that are gone. It is called
// when a request may have deleted some, or moved them to another namespace.
func (n *netlinkSocket) review(moved uint64) {
	to := &unix.SockaddrNetlink{Family: unix.AF_NETLINK}
	for _, ifindex := range n.s.at(n.Netns).Mirrored(n.Netns) {
		if unix.Sendto(n.kernel, rtnl.Lookup(ifindex, reviewSeq), 0, to) != nil {
			return
		}
		for _, p := range n.received() {
			switch errno, answer := rtnl.Refused(p, reviewSeq); {
			case !answer:
				n.s.rtnl.Relay(n.Socket, p)
			case errno == mprog.ENODEV && moved != n.Netns && moved != 0:
				n.s.at(n.Netns).MoveMirrored(n.Netns, ifindex, moved)
			case errno == mprog.ENODEV:
				n.s.at(n.Netns).Unmirror(n.Netns, ifindex)
			}
		}
	}
}

// notified hands on what the running kernel tells by itself.
func (n *netlinkSocket) notified() {
	for _, p := range n.received() {
		n.s.rtnl.Relay(n.Socket, p)
	}
}

// thread is a thread of the sender's. Which of its threads has sent is not known, and
// threads may have fds of their own: the one that made the socket has it among them.
func (n *netlinkSocket) thread() uint32 {
	task := "/proc/" + strconv.FormatUint(uint64(n.sender), 10) + "/task/" + strconv.FormatUint(uint64(n.owner), 10)
	if unix.Access(task, unix.F_OK) == nil {
		return n.owner
	}
	return n.sender
}

// fdPath is where a sender's fd is found.
func (n *netlinkSocket) fdPath(fd uint32) string {
	return "/proc/" + strconv.FormatUint(uint64(n.thread()), 10) + "/fd/" + strconv.FormatUint(uint64(fd), 10)
}

// namespace finds the network namespace that an attribute names.
func (n *netlinkSocket) namespace(attribute uint16, value uint32) (uint64, bool) {
	path := "/proc/" + strconv.FormatUint(uint64(value), 10) + "/ns/net"
	if attribute == rtnl.AttrNetnsFD {
		path = n.fdPath(value)
	}
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return 0, false
	}
	n.s.wanderers = true
	n.s.wires.meet(path)
	return st.Ino, true
}

// translate copies a request and puts fds of this process in place of the
// program's.
func (n *netlinkSocket) translate(request []byte) (copied []byte, opened []int) {
	copied = append([]byte(nil), request...)
	rtnl.ReplaceNetnsFDs(copied, func(fd uint32) uint32 {
		ns, err := unix.Open(n.fdPath(fd), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return ^uint32(0)
		}
		opened = append(opened, ns)
		return uint32(ns)
	})
	return copied, opened
}

// netlinkFD returns the netlink socket that a call's first argument refers to,
// nil if it is another fd.
func (s *supervisor) netlinkFD(c *notify.Call) *netlinkSocket {
	f, _ := s.files.find(c.TID, uint32(c.Args[0]))
	if f == nil {
		return nil
	}
	return f.socket
}

// openNetnsOf opens the network namespace with an inode, which a netlink socket of
// the program's is in: ENOENT if none is.
func (s *supervisor) openNetnsOf(inode uint64) (fd int, err error) {
	for _, f := range s.files.byEnd {
		if n := f.socket; n != nil && n.kernel >= 0 && n.Netns == inode {
			return openSocketNetns(n.kernel)
		}
	}
	return -1, unix.ENOENT
}

// relay hands on what the running kernel has told programs in a namespace until now.
func (s *supervisor) relay(netns uint64) {
	for _, f := range s.files.byEnd {
		if n := f.socket; n != nil && n.kernel >= 0 && n.Netns == netns {
			n.notified()
		}
	}
}
