package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// rtnl is rtnetlink for the thread that opened it, in the network namespace that
// the thread was in. To hand its work to another thread would take as long as half
// of it, in an emulated machine with one CPU.
type rtnl struct {
	fd       int
	sequence uint32         // of the request in hand
	shared   bool           // it is used by threads of Go's scheduler
	single   bool           // one message is the answer to it, without an end
	answer   [32 << 10]byte // the kernel splits longer ones
}

func openRTNL() (*rtnl, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink: %w", err)
	}
	timeout := unix.NsecToTimeval(netlinkTimeout.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("open rtnetlink: %w", err)
	}
	return &rtnl{fd: fd}, nil
}

// execute makes a request and returns its errno. The function takes the messages
// of an answer that has some.
func (r *rtnl) execute(request *nl.NetlinkRequest, message func(payload []byte)) error {
	dump := request.Flags&unix.NLM_F_DUMP == unix.NLM_F_DUMP
	r.sequence, r.single = request.Seq, request.Flags&unix.NLM_F_ACK == 0 && !dump
	if err := r.send(request.Serialize()); err != nil {
		return err
	}
	for {
		n, err := r.receive()
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("receive from rtnetlink: %v", err) // not the request's own errno
		}
		if done, err := r.read(r.answer[:n], message); done || err != nil {
			return err
		}
	}
}

// send and receive are system calls of which Go's scheduler knows nothing, unless
// it has to.
func (r *rtnl) send(b []byte) error {
	if r.shared {
		return unix.Sendto(r.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	}
	return send(r.fd, b)
}

func (r *rtnl) receive() (int, error) {
	if r.shared {
		n, _, err := unix.Recvfrom(r.fd, r.answer[:], 0)
		return n, err
	}
	return receive(r.fd, r.answer[:], 0)
}

var errCutOff = errors.New("an answer of rtnetlink is cut off")

// read reads messages. It is done when the answer is.
func (r *rtnl) read(b []byte, message func(payload []byte)) (done bool, err error) {
	order := binary.NativeEndian
	for len(b) > 0 {
		if len(b) < unix.SizeofNlMsghdr {
			return false, errCutOff
		}
		size, kind := int(order.Uint32(b)), order.Uint16(b[4:])
		sequence := order.Uint32(b[8:])
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return false, errCutOff
		}
		payload := b[unix.SizeofNlMsghdr:size]
		b = b[min((size+3)&^3, len(b)):]
		switch {
		case sequence != r.sequence: // of a request that was given up
		case kind == unix.NLMSG_DONE:
			return true, nil
		case kind != unix.NLMSG_ERROR:
			message(payload)
			if r.single {
				return true, nil
			}
		case len(payload) < 4:
			return false, errCutOff
		default:
			if errno := int32(order.Uint32(payload)); errno != 0 {
				return true, unix.Errno(-errno)
			}
			return true, nil
		}
	}
	return false, nil
}

// index returns the ifindex of a device.
func (r *rtnl) index(name string) (uint32, error) {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return 0, fmt.Errorf("look up %s: %v", name, err)
	}
	if err := ioctl(r.fd, unix.SIOCGIFINDEX, unsafe.Pointer(request)); err != nil {
		return 0, fmt.Errorf("look up %s: %v", name, err)
	}
	return request.Uint32(), nil
}

// device looks a device up. An ifindex that does not exist is ENODEV.
func (r *rtnl) device(ifindex uint32) (link netlink.Link, err error) {
	if ifindex == 0 { // rtnetlink would go by the name
		return nil, mprog.ENODEV
	}
	const skipStatistics = 1 << 3 // RTEXT_FILTER_SKIP_STATS
	request := nl.NewNetlinkRequest(unix.RTM_GETLINK, 0)
	message := nl.NewIfInfomsg(unix.AF_UNSPEC)
	message.Index = int32(ifindex)
	request.AddData(message)
	request.AddData(nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(skipStatistics)))
	var read error
	err = r.execute(request, func(payload []byte) {
		link, read = netlink.LinkDeserialize(nil, payload)
	})
	if err != nil {
		return nil, plainErrno(err)
	}
	return link, read
}

// remove deletes a device.
func (r *rtnl) remove(ifindex uint32) error {
	return r.delete(int32(ifindex))
}

// removeNamed deletes a device.
func (r *rtnl) removeNamed(name string) error {
	return r.delete(0, nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
}

func (r *rtnl) delete(ifindex int32, attributes ...nl.NetlinkRequestData) error {
	request := nl.NewNetlinkRequest(unix.RTM_DELLINK, unix.NLM_F_ACK)
	message := nl.NewIfInfomsg(unix.AF_UNSPEC)
	message.Index = ifindex
	request.AddData(message)
	for _, a := range attributes {
		request.AddData(a)
	}
	return r.execute(request, func([]byte) {})
}

// change changes what is asked for in a device, and the flag for up with it.
func (r *rtnl) change(link netlink.Link, up uint32, attributes ...nl.NetlinkRequestData) error {
	request := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_ACK)
	message := nl.NewIfInfomsg(unix.AF_UNSPEC)
	message.Index, message.Flags, message.Change = int32(link.Attrs().Index), up, up
	request.AddData(message)
	for _, a := range attributes {
		request.AddData(a)
	}
	return r.execute(request, func([]byte) {})
}

// namespaceID returns the number that this network namespace has for the one that a
// descriptor refers to, -1 without.
func (r *rtnl) namespaceID(fd int) (id int32, err error) {
	request := nl.NewNetlinkRequest(unix.RTM_GETNSID, 0)
	request.AddData(nl.NewRtGenMsg())
	request.AddData(nl.NewRtAttr(netlink.NETNSA_FD, nl.Uint32Attr(uint32(fd))))
	id = -1
	var read error
	err = r.execute(request, func(payload []byte) {
		var attributes map[uint16]syscall.NetlinkRouteAttr
		attributes, read = nl.ParseRouteAttrAsMap(payload[nl.DeserializeRtGenMsg(payload).Len():])
		if a, ok := attributes[netlink.NETNSA_NSID]; ok && len(a.Value) == 4 {
			id = int32(binary.NativeEndian.Uint32(a.Value))
		}
	})
	return id, errors.Join(err, read)
}
