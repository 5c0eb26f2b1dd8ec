//go:build amd64 || arm64

package intercept

import (
	"github.com/nkconform/nkconform/intercept/rtnl"
	"github.com/nkconform/nkconform/mprog"
)

// hooks gives the devices of rtnetlink their hooks.
type hooks struct{ s *supervisor }

var _ rtnl.Backend = hooks{}

func (h hooks) Supports(netns uint64) rtnl.Netkit {
	k := h.s.at(netns).Kernel()
	single := k.Supports(mprog.FeatureSingle) == nil
	facts := k.Running().Facts()
	return rtnl.Netkit{
		Pairs: k.Supports(mprog.FeatureNetkit) == nil, Single: single,
		Scrub: facts.NetkitScrub, Room: single || facts.NetkitRoom,
	}
}

func (h hooks) XDP(netns uint64, index uint32) mprog.XDPInfo {
	return h.s.at(netns).XDP(netns, index)
}

func (h hooks) Add(d, peer *rtnl.Device) {
	at := h.s.at(d.Netns).Resident(d.Netns)
	if peer == nil {
		at.AddDeviceAt(mprog.DeviceSpec{Kind: mprog.Netkit, Name: d.Name}, d.Index, nil, 0)
		h.s.at(d.Netns).RecordPair(d.Netns, d.Name, "", d.Index, 0)
		return
	}
	at.AddDeviceAt(mprog.DeviceSpec{Kind: mprog.Netkit, Name: d.Name, Peer: peer.Name}, d.Index, h.s.adopt(peer.Netns, d.Netns).Resident(peer.Netns), peer.Index)
	h.s.at(d.Netns).RecordPair(d.Netns, d.Name, peer.Name, d.Index, peer.Index)
}

func (h hooks) Delete(d *rtnl.Device) {
	which := h.s.at(d.Netns)
	if peer := d.Peer(); !which.RecordDelete(d.Netns, d.Index) && peer != nil {
		which.RecordDelete(peer.Netns, peer.Index)
	}
	h.s.at(d.Netns).Resident(d.Netns).DeleteDeviceAt(d.Index)
}

func (h hooks) Rename(d *rtnl.Device) {
	h.s.at(d.Netns).Resident(d.Netns).RenameDeviceAt(d.Index, d.Name)
}

func (h hooks) Move(d *rtnl.Device, netns uint64, index uint32) {
	h.s.at(d.Netns).RecordMove(d.Netns, d.Index, netns, index)
	h.s.at(d.Netns).Resident(d.Netns).MoveDeviceTo(h.s.adopt(netns, d.Netns).Resident(netns), d.Index, index)
}
