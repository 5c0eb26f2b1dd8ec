//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/intercept/rtnl"
)

// redirectNeighbour sends a packet of IP by a device to a neighbour that has an address
// of the link layer (bpf_redirect_neigh). One that is known is put in; else the running
// kernel sends the packet through a socket, and asks who the neighbour is.
func (p *pump) redirectNeighbour(o outlet, j *journey) {
	if j.redirects++; j.redirects > maxRedirects {
		return
	}
	where, ok := o.at.outside.(around)
	if !ok || len(j.Data) < linkHeader {
		return
	}
	to := j.destination()
	if !to.IsValid() {
		return // no kernel sends it either
	}
	known := false
	err := where.enter(func() (err error) {
		if known, err = putAddresses(o, j, to); known || err != nil {
			return err
		}
		return sendIP(o, j, to)
	})
	switch {
	case err != nil:
		p.s.warn(fmt.Sprintf("a packet that bpf_redirect_neigh sends by device %d is dropped: %v", o.index, err))
	case known:
		j.redirects--
		p.sendBy(o, j)
	}
}

// destination is the address that a packet of IP is for, not valid for others.
func (j *journey) destination() (a netip.Addr) {
	header := j.Data[min(j.Network, len(j.Data)):]
	switch kind := j.Packet.Protocol(); {
	case kind == unix.ETH_P_IP && len(header) >= 20:
		return netip.AddrFrom4([4]byte(header[16:]))
	case kind == unix.ETH_P_IPV6 && len(header) >= 40:
		return netip.AddrFrom16([16]byte(header[24:]))
	}
	return a
}

// putAddresses puts the addresses of the link layer in, if they are known.
func putAddresses(o outlet, j *journey, to netip.Addr) (known bool, err error) {
	a, err := newAsker()
	if err != nil {
		return false, err
	}
	defer a.close()
	r := machine.Route{Ifindex: o.index, Gateway: j.Redirect.NextHop}
	if !r.Gateway.IsValid() {
		found, result, err := a.route(rtnl.RouteQuestion{To: to, Out: o.index})
		if err == nil && len(found.Hops) > 0 {
			found, err = throughDevice(found, o.index)
		}
		if err != nil || result != machine.RouteFound || found.Out != o.index {
			return false, err
		}
		r.Gateway = found.Gateway
	}
	if r, err = a.neighbour(machine.RouteQuestion{To: to}, r); err != nil || r.Result != machine.RouteFound {
		return false, err
	}
	copy(j.Data, r.Hop[:])
	copy(j.Data[6:], r.Own[:])
	return true, nil
}

const headerIncludedIPv6 = 36 // IPV6_HDRINCL

// sendIP has the running kernel send a packet by a device, to its next hop if the
// program has said one.
func sendIP(o outlet, j *journey, to netip.Addr) error {
	if hop := j.Redirect.NextHop; hop.IsValid() {
		to = hop
	}
	domain, address := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Addr: to.As16()})
	if j.Packet.Protocol() == unix.ETH_P_IP {
		if !to.Is4() {
			return fmt.Errorf("the next hop %s of a packet of IPv4 is not known as a neighbour, and not asked for", to)
		}
		domain, address = unix.AF_INET, &unix.SockaddrInet4{Addr: to.As4()}
	}
	fd, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	name, err := deviceName(o.index)
	if err != nil {
		return err
	}
	if err := unix.BindToDevice(fd, name); err != nil {
		return fmt.Errorf("bind to %s: %w", name, err)
	}
	if domain == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, headerIncludedIPv6, 1); err != nil {
			return fmt.Errorf("socket: %w", err)
		}
	}
	mark, priority := j.Tags()
	for option, v := range map[int]uint32{unix.SO_MARK: mark, unix.SO_PRIORITY: priority} {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, int(v)) // they are not told then
	}
	frame := bytes.Clone(j.Data)
	if j.vnet[vnetFlags]&vnetNeedsSum != 0 {
		finish(frame, int(native.Uint16(j.vnet[vnetStart:]))+len(frame)-j.length, int(native.Uint16(j.vnet[vnetOffset:])))
	}
	return unix.Sendto(fd, frame[min(j.Network, len(frame)):], 0, address)
}
