package page

import (
	"slices"
	"strings"

	"github.com/nkconform/nkconform/internal/picture"
	"github.com/nkconform/nkconform/mprog"
)

// Offer is something to say at the press of a button.
type Offer struct{ Label, Says string }

// programs are the offers to load programs, devices those to make what has hooks.
func (a *App) programs() []Offer {
	prog := a.freeLetter()
	list := []Offer{
		{"program", "prog " + prog + " return=-1"},
		{"program that drops", "prog " + prog + " return=2"},
		{"program that passes", "prog " + prog + " return=0"},
	}
	if len(a.current().Cgroups) > 0 {
		list = append(list, Offer{"program for cgroups", "prog " + prog + " type=cgroup_skb return=1"})
	}
	return list
}

func (a *App) devices() []Offer {
	first, second := a.freeName("nk", 0), ""
	for n := 1; second == "" || second == first; n++ {
		second = a.freeName("nk", n)
	}
	list := []Offer{{"netkit pair", "netkit " + first + " " + second}, {"device", "device " + a.freeName("v", 0)}}
	if !slices.Contains(a.State.Without, string(mprog.FeatureCgroup)) {
		list = append(list, Offer{"cgroup", "cgroup " + a.freeName("g", 1)})
	}
	return list
}

// cgroupView is a cgroup, and what can be done with it.
func (a *App) cgroupView(c picture.Cgroup, now *picture.Step) CgroupView {
	v := CgroupView{Name: c.Name, Parent: c.Parent, Depth: c.Depth, Processes: c.Processes}
	for _, h := range c.Hooks {
		hook := hookView(h, now)
		switch {
		case strings.HasSuffix(h.Name, ":cgroup_inet_ingress"):
			hook.Says = "processes in " + c.Name + " receive"
		case strings.HasSuffix(h.Name, ":cgroup_inet_egress"):
			hook.Says = "processes in " + c.Name + " send"
		}
		v.Hooks = append(v.Hooks, hook)
	}
	v.Offers = []Offer{{"+ cgroup in it", "cgroup " + a.freeName("g", 1) + " parent=" + c.Name}}
	if len(c.Processes) == 0 {
		process := a.freeName("q", 1)
		v.Offers = append(v.Offers, Offer{"+ process in it", "process " + process + "\n" + process + ": cgroup-enter " + c.Name})
	}
	for _, p := range c.Processes {
		if p != "" {
			v.Offers = append(v.Offers, Offer{"datagram to " + p, "datagram " + p}, Offer{"datagram of " + p, p + ": datagram " + p})
		}
	}
	return v
}

// linkOffers are what one can do with a link.
func (a *App) linkOffers(l picture.Link) (list []Offer) {
	fd := l.Own()
	if fd == "" {
		return nil
	}
	if path := mprog.BPFFS + "/" + fd; len(l.Pins) == 0 {
		list = append(list, Offer{"pin", "pin " + path + " " + fd})
	}
	list = append(list, Offer{"close", "close " + fd})
	if l.Hook != "" {
		list = append(list, Offer{"detach", "link-detach " + fd})
	}
	return list
}

// pinOffers are what one can do with a pin.
func (a *App) pinOffers(p picture.Pin) []Offer {
	return []Offer{{"open", "get " + a.freeName("x", 1) + " " + p.Path}, {"remove", "unlink " + p.Path}}
}
