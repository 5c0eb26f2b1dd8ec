//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/rtnl"
	"github.com/nkconform/nkconform/mprog"
)

// asker is a socket through which nkconform itself asks rtnetlink, or others of
// netlink.
type asker struct {
	fd  int
	seq uint32
	buf []byte
}

// newAsker opens one for rtnetlink in the network namespace of the current thread.
func newAsker(groups ...int) (*asker, error) { return openAsker(unix.NETLINK_ROUTE, groups...) }

// openAsker opens one for a family of netlink.
func openAsker(family int, groups ...int) (*asker, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, family)
	if err != nil {
		return nil, fmt.Errorf("netlink: %w", err)
	}
	err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	for _, group := range groups {
		if err == nil {
			err = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("netlink: %w", err), unix.Close(fd))
	}
	return &asker{fd: fd, buf: make([]byte, 1<<16)}, nil
}

// ask makes a request and returns what the kernel answers, which it does while the
// request is sent.
func (a *asker) ask(build func(rtnl.Ask) []byte) (datagrams [][]byte, errno mprog.Errno) {
	a.seq++
	request := rtnl.Ask{Seq: a.seq}
	if err := unix.Sendto(a.fd, build(request), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, mprog.Errno(errnoUnix(err))
	}
	for {
		p, _, err := a.receive()
		if err != nil {
			return datagrams, request.Errno(datagrams)
		}
		datagrams = append(datagrams, p)
	}
}

// receive returns the next datagram, and by which id the namespace that it tells of
// is known, if it is another; EAGAIN when there is none.
func (a *asker) receive() (datagram []byte, namespaceID int32, err error) {
	var control [64]byte
	n, oobn, _, _, err := unix.Recvmsg(a.fd, a.buf, control[:], 0)
	if err != nil {
		return nil, -1, err
	}
	namespaceID = -1
	if list, err := unix.ParseSocketControlMessage(control[:oobn]); err == nil {
		for _, m := range list {
			if m.Header.Level == unix.SOL_NETLINK && m.Header.Type == unix.NETLINK_LISTEN_ALL_NSID && len(m.Data) >= 4 {
				namespaceID = int32(native.Uint32(m.Data))
			}
		}
	}
	return append([]byte(nil), a.buf[:n]...), namespaceID, nil
}

// link asks for a link.
func (a *asker) link(build func(rtnl.Ask) []byte) (rtnl.Link, mprog.Errno) {
	datagrams, errno := a.ask(build)
	if errno != 0 {
		return rtnl.Link{}, errno
	}
	for _, p := range datagrams {
		for _, l := range rtnl.Links(p) {
			return l, 0
		}
	}
	return rtnl.Link{}, mprog.ENODEV
}

func (a *asker) close() { unix.Close(a.fd) }
