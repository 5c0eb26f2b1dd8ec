//go:build amd64 || arm64

package intercept

import (
	"fmt"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/intercept/rtnl"
	"github.com/nkconform/nkconform/mprog"
)

// Route answers bpf_fib_lookup out of the running kernel's routes and neighbours.
// The device at which the packet is plays no part in the choice of a route, which
// takes a rule for it (iif) to be seen.
func (o outside) Route(q machine.RouteQuestion) (r machine.Route, err error) {
	err = o.enter(func() (err error) {
		r, err = routeHere(q)
		return err
	})
	return r, err
}

// routeHere looks a route up in the current thread's network namespace.
func routeHere(q machine.RouteQuestion) (r machine.Route, err error) {
	if strict(q.From) || strict(q.To) {
		return machine.Route{Result: machine.RouteNone}, nil
	}
	name, err := deviceName(q.Ifindex)
	if err != nil {
		return machine.Route{Result: machine.RouteNoDevice}, nil
	}
	if !forwards(name, q.To.Is6()) {
		return machine.Route{Result: machine.RouteDisabled}, nil
	}
	if q.To.IsUnspecified() && !q.Direct { // which rtnetlink takes for this host
		return r, fmt.Errorf("a route to %s: %w", q.To, machine.ErrUnknown)
	}
	a, err := newAsker()
	if err != nil {
		return r, err
	}
	defer a.close()
	question := rtnl.RouteQuestion{To: q.To, Mark: q.Mark, TOS: q.TOS}
	if q.Output && q.To.Is4() { // for IPv6, it is but preferred
		question.Out = q.Ifindex
	}
	lookUp := a.route
	if q.Direct {
		lookUp = func(rtnl.RouteQuestion) (rtnl.Route, int, error) { return a.routeIn(q) }
	}
	found, result, err := lookUp(question)
	several := len(found.Hops) > 0
	if result == machine.RouteFound && err == nil && several {
		found, err = a.choose(q, found)
	}
	if result != machine.RouteFound || err != nil {
		return machine.Route{Result: result, Looked: q.Direct}, err
	}
	r = machine.Route{Ifindex: found.Out, Gateway: found.Gateway, Priority: found.Priority, MTU: found.MTU, Looked: q.Direct}
	d, err := deviceHere(found.Out)
	if err != nil {
		return machine.Route{Result: machine.RouteNone, Looked: q.Direct}, nil
	}
	if r.MTU == 0 {
		r.MTU = d.MTU
	}
	if found.Tunnel {
		r.Result = machine.RouteTunnel
		return r, nil
	}
	if q.Source && found.Source.IsValid() {
		r.Source = found.Source
	} else if q.Source {
		question.Source = true
		if q.Direct || several {
			question.Out = found.Out
		}
		source, result, err := a.route(question)
		switch {
		case err != nil:
			return r, err
		case result == machine.RouteFound:
			r.Source = source.Source
		case q.Direct: // an address of this host's, which is preferred
			r.Source = q.To
		default:
			return machine.Route{Result: result}, nil
		}
	}
	if q.SkipMAC {
		return r, nil
	}
	return a.neighbour(q, r)
}

// strict reports whether an address of IPv6 belongs to one device
// (rt6_need_strict).
func strict(a netip.Addr) bool {
	return a.Is6() && (a.IsMulticast() || a.IsLinkLocalUnicast() || a.IsLoopback())
}

// forwards reports whether what arrives at a device may go on.
func forwards(name string, ipv6 bool) bool {
	version := "ipv4"
	if ipv6 {
		version = "ipv6"
	}
	text, err := os.ReadFile("/proc/sys/net/" + version + "/conf/" + name + "/forwarding")
	return err == nil && strings.TrimSpace(string(text)) != "0"
}

// route asks for a route, and says what bpf_fib_lookup makes of its type.
func (a *asker) route(q rtnl.RouteQuestion) (r rtnl.Route, result int, err error) {
	datagrams, errno := a.ask(func(ask rtnl.Ask) []byte { return ask.Route(q) })
	switch errno {
	case 0:
	case mprog.Errno(unix.EINVAL):
		return r, machine.RouteBlackhole, nil
	case mprog.Errno(unix.EHOSTUNREACH):
		if q.Out != 0 { // then that is also said where no route leads out there
			q.Out = 0
			if _, result, err = a.route(q); result == machine.RouteFound {
				result = machine.RouteNone
			}
			return r, result, err
		}
		return r, machine.RouteUnreachable, nil
	case mprog.Errno(unix.EACCES):
		return r, machine.RouteProhibited, nil
	default:
		return r, machine.RouteNone, nil
	}
	for _, p := range datagrams {
		if routes := rtnl.Routes(p); len(routes) > 0 {
			return found(routes[0])
		}
	}
	return r, machine.RouteNone, nil
}

// found says what a route leads to.
func found(r rtnl.Route) (rtnl.Route, int, error) {
	switch {
	case r.Type == unix.RTN_BLACKHOLE:
		return r, machine.RouteBlackhole, nil
	case r.Type == unix.RTN_UNREACHABLE:
		return r, machine.RouteUnreachable, nil
	case r.Type == unix.RTN_PROHIBIT:
		return r, machine.RouteProhibited, nil
	case r.Type != unix.RTN_UNICAST:
		return r, machine.RouteNone, nil
	}
	return r, machine.RouteFound, nil
}

// nudValid are the states of a neighbour whose address can be used (NUD_VALID).
const nudValid = unix.NUD_PERMANENT | unix.NUD_NOARP | unix.NUD_REACHABLE | unix.NUD_PROBE | unix.NUD_STALE | unix.NUD_DELAY

// neighbour completes a route with the addresses of the link layer.
func (a *asker) neighbour(q machine.RouteQuestion, r machine.Route) (machine.Route, error) {
	to := q.To
	if r.Gateway.IsValid() {
		to = r.Gateway
	}
	datagrams, errno := a.ask(func(ask rtnl.Ask) []byte { return ask.Neighbour(r.Ifindex, to) })
	r.Result = machine.RouteNoNeighbour
	if errno != 0 {
		return r, nil
	}
	for _, p := range datagrams {
		for _, n := range rtnl.Neighbours(p) {
			if n.State&nudValid == 0 || len(n.Address) < len(r.Hop) {
				continue
			}
			r.Hop = [6]byte(n.Address)
			own, err := hardwareAddress(r.Ifindex)
			if err != nil {
				return r, err
			}
			r.Own, r.Result = own, machine.RouteFound
		}
	}
	return r, nil
}

// Tables of routes (include/uapi/linux/rtnetlink.h).
const (
	mainTable  = 254 // RT_TABLE_MAIN
	localTable = 255 // RT_TABLE_LOCAL
)

// routeIn looks a route up in a table (fib_table_lookup, fib6_table_lookup): the longest
// prefix, and of several routes there the one with the lowest priority's number. As long
// as nobody has made rules, IPv4's main table is one with the local one.
func (a *asker) routeIn(q machine.RouteQuestion) (best rtnl.Route, result int, err error) {
	table := q.Table
	if table == 0 {
		table = mainTable
	}
	datagrams, errno := a.ask(func(ask rtnl.Ask) []byte { return ask.AllRoutes(q.To) })
	if errno != 0 {
		return best, 0, fmt.Errorf("routes: %w: %w", errno, machine.ErrUnknown)
	}
	result = machine.RouteNone
	for _, p := range datagrams {
		for _, r := range rtnl.Routes(p) {
			one := r.Table == table || q.To.Is4() && min(table, r.Table) == mainTable && max(table, r.Table) == localTable
			switch {
			case !one, r.Dead, !r.To.Contains(q.To), r.TOS != 0 && r.TOS != q.TOS:
				continue
			case q.Output && q.To.Is4() && !leadsBy(r, q.Ifindex) && r.Type == unix.RTN_UNICAST:
				continue
			}
			longer := r.To.Bits() - best.To.Bits()
			if result != machine.RouteNone && (longer < 0 || longer == 0 && !prefers(q, r, best)) {
				continue
			}
			best, result = r, machine.RouteFound
		}
	}
	if result == machine.RouteNone {
		return best, result, nil
	}
	return found(best)
}

// prefers reports whether a route with the same prefix is taken in place of another.
func prefers(q machine.RouteQuestion, r, other rtnl.Route) bool {
	if q.Output && q.To.Is6() && leadsBy(r, q.Ifindex) != leadsBy(other, q.Ifindex) {
		return leadsBy(r, q.Ifindex)
	}
	return r.Priority < other.Priority
}
