package picture

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// Packet is the way of a packet through the hooks.
type Packet struct {
	From, To  string // devices
	Datagram  bool   // which one process sends to another: From and To are these
	Delivered bool
	Stops     []Stop
	End       string // where it ended and why, in words
}

// Stop is a hook on a packet's way.
type Stop struct {
	Hook    string
	Filters bool
	Ran     []Entry // in order
	Idle    []Entry // that it did not come to
	Ended   bool    // here it went no further
}

// verdict names what a program of a type returns, as far as it has a name there.
func verdict(t mprog.ProgType, ret int32) string {
	names := map[int32]string{-1: "NEXT", 0: "PASS", 2: "DROP", 7: "REDIRECT"}
	switch {
	case t == mprog.CgroupSKB:
		return []string{"DROP", "PASS"}[ret&1]
	case t.Cgroup():
		return []string{"DENY", "ALLOW"}[ret&1]
	case names[ret] == "":
		return strconv.Itoa(int(ret))
	}
	return names[ret]
}

// returned writes what a program returns: 2 (DROP).
func returned(e Entry) string {
	number := strconv.Itoa(int(e.Return))
	if e.Verdict == number {
		return number
	}
	return number + " (" + e.Verdict + ")"
}

// packet finds the way of a packet that a device has transmitted.
func (s *Session) packet(name string, sent mprog.Delivery) *Packet {
	from, to := s.ends(name)
	if from == nil {
		return nil
	}
	p := &Packet{From: from.Name, To: to.Name, Delivered: sent.Delivered}
	var ran []string
	for _, id := range sent.Ran {
		ran = append(ran, s.live.Name(mprog.ProgObject, id))
	}
	decided := false // a tcx program has, so that filters are not asked
	for _, h := range slices.Concat(outgoing(from), incoming(to)) {
		at := attachType(h)
		stop := Stop{Hook: h.Name, Filters: h.Filters}
		passes := true
		switch {
		case h.Filters && decided:
			stop.Idle = h.Entries
		case h.Filters:
			for _, e := range h.Entries {
				if len(ran) > 0 && ran[0] == e.Prog {
					stop.Ran, ran = append(stop.Ran, e), ran[1:]
				} else {
					stop.Idle = append(stop.Idle, e)
				}
			}
			passes = sent.Delivered || len(ran) > 0 || len(stop.Ran) == 0 || !drops(stop.Ran[len(stop.Ran)-1].Return)
		default:
			var returns []int32
			for _, e := range h.Entries {
				returns = append(returns, e.Return)
			}
			policy := mprog.Forward
			if from.Policy == "blackhole" {
				policy = mprog.Blackhole
			}
			var n int
			n, passes = fake.Verdict(at, returns, policy)
			stop.Ran, stop.Idle = h.Entries[:n], h.Entries[n:]
			ran = ran[min(n, len(ran)):]
			decided = at.TCX() && n > 0 && returns[n-1] == 0
			if n == 0 && !passes {
				p.End = fmt.Sprintf("ended at %s: no program is there, and the device's policy is blackhole", h.Name)
			}
		}
		stop.Ended = !passes
		p.Stops = append(p.Stops, stop)
		if !passes {
			if p.End == "" {
				last := stop.Ran[len(stop.Ran)-1]
				p.End = fmt.Sprintf("ended at %s: %s returned %s", h.Name, last.Prog, returned(last))
			}
			return p
		}
	}
	p.End = "it arrives at " + to.Name
	return p
}

// drops says whether a filter with direct action ends a packet's way.
func drops(ret int32) bool { return ret == 2 || ret == 4 || ret == 7 || ret == 8 }

// ends finds a device and where its packets arrive.
func (s *Session) ends(name string) (from, to *Device) {
	find := func(name string) *Device {
		for i := range s.state.Devices {
			if d := &s.state.Devices[i]; d.Name == name || strconv.Itoa(int(d.Ifindex)) == name && d.Netns == "" {
				return d
			}
		}
		return nil
	}
	if from = find(name); from == nil {
		return nil, nil
	}
	if to = from; from.Peer != "" {
		to = find(from.Peer)
	}
	return from, to
}

// outgoing are the hooks that a device's packets meet where they leave, incoming where
// they arrive.
func outgoing(d *Device) (list []Hook) {
	for _, h := range d.Hooks {
		if attachType(h) != mprog.TCXIngress {
			list = append(list, h)
		}
	}
	return list
}

func incoming(d *Device) (list []Hook) {
	for _, h := range d.Hooks {
		if attachType(h) == mprog.TCXIngress {
			list = append(list, h)
		}
	}
	return list
}

func attachType(h Hook) mprog.AttachType {
	for i := len(h.Name) - 1; i >= 0; i-- {
		if h.Name[i] == ':' {
			at, _ := mprog.ParseAttachType(h.Name[i+1:])
			return at
		}
	}
	return 0
}
