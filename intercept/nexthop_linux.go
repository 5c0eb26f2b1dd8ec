//go:build amd64 || arm64

package intercept

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/intercept/rtnl"
)

// Of several next hops the kernel takes one by a hash of addresses, and perhaps ports,
// with a secret of its own. So it is asked where such a packet would go.

// leadsBy reports whether a route's next hop, or one of several, is by a device.
func leadsBy(r rtnl.Route, ifindex uint32) bool {
	by := func(hop rtnl.Route) bool { return hop.Out == ifindex }
	return by(r) || slices.ContainsFunc(r.Hops, by)
}

// through is the route by one of its next hops.
func through(r, hop rtnl.Route) rtnl.Route {
	r.Out, r.Gateway, r.Tunnel, r.Hops = hop.Out, hop.Gateway, hop.Tunnel, nil
	return r
}

// throughDevice is the route by its first next hop by a device, as it is where one is asked
// for. Of IPv6 it depends on neighbours, too, where there are more.
func throughDevice(r rtnl.Route, ifindex uint32) (rtnl.Route, error) {
	var list []rtnl.Route
	for _, hop := range r.Hops {
		if hop.Out == ifindex {
			list = append(list, hop)
		}
	}
	if len(list) == 0 || len(list) > 1 && r.To.Addr().Is6() {
		return r, fmt.Errorf("a route with several next hops, %d of them by device %d: %w", len(list), ifindex, machine.ErrUnknown)
	}
	return through(r, list[0]), nil
}

// choose is the route by the next hop that the kernel takes for a question
// (fib_select_path, fib6_select_path).
func (a *asker) choose(q machine.RouteQuestion, r rtnl.Route) (rtnl.Route, error) {
	if q.Output {
		return throughDevice(r, q.Ifindex)
	}
	ask, err := hashed(q)
	if err != nil {
		return r, err
	}
	if q.Direct { // what the kernel is asked must be about the same route
		same, result, err := a.route(rtnl.RouteQuestion{To: q.To, Mark: q.Mark, TOS: q.TOS})
		if err != nil || result != machine.RouteFound || same.To != r.To || same.Table != r.Table || len(same.Hops) != len(r.Hops) {
			return r, fmt.Errorf("a route with several next hops in a table that no rule chooses: %w", machine.ErrUnknown)
		}
	}
	taken, result, err := a.route(ask)
	if (err != nil || result != machine.RouteFound) && q.To.Is4() && ask.From.IsValid() { // not from this host
		ask.In = q.Ifindex
		taken, result, err = a.route(ask)
	}
	if err != nil || result != machine.RouteFound {
		return r, fmt.Errorf("which of several next hops is taken from %s to %s: %w", q.From, q.To, machine.ErrUnknown)
	}
	for _, hop := range r.Hops {
		if hop.Out == taken.Out && hop.Gateway == taken.Gateway {
			return through(r, hop), nil
		}
	}
	return r, fmt.Errorf("which of several next hops is taken, the kernel says another by %s: %w", taken.Gateway, machine.ErrUnknown)
}

// hashed is the question that has the kernel make the same hash.
func hashed(q machine.RouteQuestion) (ask rtnl.RouteQuestion, err error) {
	ask = rtnl.RouteQuestion{To: q.To, Mark: q.Mark, TOS: q.TOS, Source: true}
	if !q.From.IsUnspecified() {
		ask.From = q.From
	}
	policy, err := hashPolicy(q.To)
	withPorts := policy == "1" || q.To.Is6()
	known := q.Protocol == unix.IPPROTO_TCP || q.Protocol == unix.IPPROTO_UDP
	switch {
	case err != nil:
		return ask, err
	case policy == "3", q.To.Is6() && q.FlowLabel != 0, withPorts && !known && (uint16(q.Protocol)|q.FromPort|q.ToPort != 0 || q.To.Is4()):
		return ask, fmt.Errorf("which of several next hops is taken by hash policy %s for protocol %d: %w", policy, q.Protocol, machine.ErrUnknown)
	}
	if known {
		ask.Protocol, ask.FromPort, ask.ToPort = q.Protocol, q.FromPort, q.ToPort
	}
	return ask, nil
}

// hashPolicy is net.ipv4.fib_multipath_hash_policy, or that of IPv6.
func hashPolicy(to netip.Addr) (string, error) {
	version := "ipv4"
	if to.Is6() {
		version = "ipv6"
	}
	text, err := os.ReadFile("/proc/sys/net/" + version + "/fib_multipath_hash_policy")
	if err != nil {
		return "", fmt.Errorf("which of several next hops is taken: %w: %w", err, machine.ErrUnknown)
	}
	return strings.TrimSpace(string(text)), nil
}
