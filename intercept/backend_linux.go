//go:build amd64 || arm64

package intercept

import (
	"github.com/nkconform/nkconform/intercept/rtnl"
	"github.com/nkconform/nkconform/mprog"
)

// hooks gives the devices of rtnetlink their hooks.
type hooks struct{ s *supervisor }

var _ rtnl.Backend = hooks{}

func (h hooks) Supports() (pairs, single bool) {
	return h.s.kernel.Supports(mprog.FeatureNetkit) == nil, h.s.kernel.Supports(mprog.FeatureSingle) == nil
}

func (h hooks) Add(d, peer *rtnl.Device) {
	at := h.s.sim.Resident(d.Netns)
	if peer == nil {
		at.AddDeviceAt(mprog.DeviceSpec{Kind: mprog.Netkit, Name: d.Name}, d.Index, nil, 0)
		h.s.sim.RecordPair(d.Netns, d.Name, "", d.Index, 0)
		return
	}
	at.AddDeviceAt(mprog.DeviceSpec{Kind: mprog.Netkit, Name: d.Name, Peer: peer.Name}, d.Index, h.s.sim.Resident(peer.Netns), peer.Index)
	h.s.sim.RecordPair(d.Netns, d.Name, peer.Name, d.Index, peer.Index)
}

func (h hooks) Delete(d *rtnl.Device) {
	h.s.sim.RecordDelete(d.Netns, d.Index)
	h.s.sim.Resident(d.Netns).DeleteDeviceAt(d.Index)
}

func (h hooks) Rename(d *rtnl.Device) { h.s.sim.Resident(d.Netns).RenameDeviceAt(d.Index, d.Name) }

func (h hooks) Move(d *rtnl.Device, netns uint64, index uint32) {
	h.s.sim.Resident(d.Netns).MoveDeviceTo(h.s.sim.Resident(netns), d.Index, index)
}
