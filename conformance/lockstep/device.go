package lockstep

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/nkconform/nkconform/mprog"
)

// device is a device, or a pair, that both sides have. Making one and taking
// it away is slow, so that sequences leave theirs to later ones.
type device struct {
	kind          mprog.DeviceKind
	ifindex, peer [2]uint32 // of each side
	// revision is where netkit's two hooks were left.
	revision [2]uint64
}

// beginDevices finds or makes the devices of the stage.
func (w *world) beginDevices() error {
	w.devices = w.devices[:0]
	for _, kind := range w.stage.Devices {
		d, err := w.takeDevice(kind)
		if err != nil {
			return fmt.Errorf("begin sequence: %w", err)
		}
		w.devices = append(w.devices, d)
	}
	for i, s := range w.sides {
		s.ifindex = append(s.ifindex[:0], 1) // lo
		for _, d := range w.devices {
			s.ifindex = append(s.ifindex, d.ifindex[i])
			if d.kind == mprog.Netkit {
				s.ifindex = append(s.ifindex, d.peer[i])
			}
		}
		s.devices.clear()
		for n, ifindex := range s.ifindex {
			s.devices.put(ifindex, int16(n))
		}
	}
	return nil
}

func (w *world) takeDevice(kind mprog.DeviceKind) (d device, err error) {
	for i, d := range w.spare {
		if d.kind == kind {
			w.spare = append(w.spare[:i], w.spare[i+1:]...)
			return d, nil
		}
	}
	d = device{kind: kind, revision: [2]uint64{1, 1}}
	w.counter++
	spec := mprog.DeviceSpec{Kind: kind, Name: "d" + strconv.Itoa(w.counter)}
	if kind == mprog.Netkit {
		spec.Peer = "e" + strconv.Itoa(w.counter)
	}
	for i, s := range w.sides {
		if d.ifindex[i], d.peer[i], err = s.env.AddDevice(spec); err != nil {
			return d, err
		}
	}
	return d, nil
}

// oldRevision returns the revision that a hook starts the sequence with.
func (w *world) oldRevision(h Hook) uint64 {
	n := int16(1)
	for _, d := range w.devices {
		if d.kind == mprog.Netkit {
			if n == h.Device && h.Type.Netkit() {
				return d.revision[h.Type-mprog.NetkitPrimary]
			}
			n++
		}
		n++
	}
	return 1
}

// endDevices empties the hooks of the devices that are left.
func (w *world) endDevices() error {
	for _, h := range w.hooks {
		if h.gone || h.Device < 0 || w.deleted[h.Device] {
			continue
		}
		n, err := w.empty(h.Hook)
		if err != nil {
			return fmt.Errorf("end sequence: %w", err)
		}
		h.revision += n
	}
	n := int16(1)
	for _, d := range w.devices {
		first := n
		if n++; d.kind == mprog.Netkit {
			n++
		}
		if w.deleted[first] {
			continue
		}
		for i, at := range []mprog.AttachType{mprog.NetkitPrimary, mprog.NetkitPeer} {
			if h := w.hook(Hook{first, at}); h != nil && d.kind == mprog.Netkit {
				d.revision[i] = h.revision
			}
		}
		w.spare = append(w.spare, d)
	}
	return nil
}

// empty takes everything off a hook and returns how much that was. The links
// are gone already.
func (w *world) empty(h Hook) (n uint64, err error) {
	var counts [2]uint64
	for i, s := range w.sides {
		r := mprog.DetachRequest{TargetIfindex: s.device(slot(h.Device)), AttachType: h.Type, Flags: mprog.Before}
		for err = nil; err == nil; {
			if err = s.env.ProgDetach(r); err == nil {
				counts[i]++
			}
		}
		if !errors.Is(err, mprog.ENOENT) && !errors.Is(err, mprog.ENXIO) && !errors.Is(err, mprog.EACCES) && !errors.Is(err, mprog.EINVAL) {
			return 0, err
		}
	}
	if counts[0] != counts[1] {
		return 0, fmt.Errorf("%d programs to take off on one side, %d on the other", counts[0], counts[1])
	}
	return counts[0], nil
}
