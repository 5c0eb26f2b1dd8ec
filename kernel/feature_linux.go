package kernel

import (
	"fmt"
	"slices"
	"sync"

	"github.com/nkconform/nkconform/mprog"
)

// loopback is the ifindex of the device that every namespace has.
const loopback = 1

// probed holds, by feature, what the probe said: a func() error that probes when
// it is first called.
var probed sync.Map

// Supports tries the feature out, once a program and in an environment of its
// own, so that no trace is left in this one; the kernel's version plays no part.
func (k *Kernel) Supports(feature mprog.Feature) error {
	if !slices.Contains(mprog.Features, feature) {
		return fmt.Errorf("feature %q: %w: not known here", feature, mprog.ErrUnsupported)
	}
	once, _ := probed.LoadOrStore(feature, sync.OnceValue(func() error { return probe(feature) }))
	if err := once.(func() error)(); err != nil {
		return fmt.Errorf("feature %s: %w", feature, err)
	}
	return nil
}

func probe(feature mprog.Feature) error {
	k, err := New()
	if err != nil {
		return err
	}
	err = k.try(feature)
	if shutdownErr := k.Shutdown(); err == nil {
		err = shutdownErr
	}
	return err
}

func (k *Kernel) try(feature mprog.Feature) error {
	switch feature {
	case mprog.FeatureTCX:
		return k.tryAttach(loopback, mprog.TCXIngress)
	case mprog.FeatureClsact:
		return k.tryFilter()
	case mprog.FeatureNetkit:
		ifindex, err := k.tryAdd(mprog.Netkit, "d1")
		if err != nil {
			return err
		}
		return k.tryAttach(ifindex, mprog.NetkitPrimary)
	case mprog.FeatureSingle:
		_, err := k.tryAdd(mprog.Netkit, "")
		return err
	}
	_, err := k.tryAdd(mprog.DeviceKind(feature), "d1")
	return err
}

func (k *Kernel) tryAdd(kind mprog.DeviceKind, peer string) (ifindex uint32, err error) {
	ifindex, _, err = k.AddDevice(mprog.DeviceSpec{Kind: kind, Name: "d0", Peer: peer})
	return ifindex, err
}

// tryFilter adds a qdisc and a filter. A refusal wraps [mprog.ErrUnsupported].
func (k *Kernel) tryFilter() error {
	fd, err := k.LoadProg(mprog.ProgSpec{Name: "probe"})
	if err != nil {
		return err
	}
	err = k.QdiscAdd(mprog.QdiscRequest{Ifindex: loopback, Kind: mprog.Clsact, Flags: mprog.NLCreate})
	if err == nil {
		err = k.FilterAdd(mprog.FilterRequest{
			Hook: mprog.Hook{Ifindex: loopback, Type: mprog.TCXIngress}, Kind: mprog.BPFKind, Protocol: mprog.AnyProtocol,
			Flags: mprog.NLCreate, FD: fd, BPFFlags: mprog.DirectAction,
		})
	}
	if err != nil {
		return fmt.Errorf("%w: %w", mprog.ErrUnsupported, err)
	}
	return nil
}

// tryAttach attaches a program. A refusal wraps [mprog.ErrUnsupported].
func (k *Kernel) tryAttach(ifindex uint32, attachType mprog.AttachType) error {
	fd, err := k.LoadProg(mprog.ProgSpec{Name: "probe"})
	if err != nil {
		return err
	}
	err = k.ProgAttach(mprog.AttachRequest{TargetIfindex: ifindex, AttachFD: fd, AttachType: attachType})
	if err != nil {
		return fmt.Errorf("%w: %w", mprog.ErrUnsupported, err)
	}
	return nil
}
