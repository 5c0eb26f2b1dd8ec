package kernel

import (
	"fmt"
	"sync"

	"github.com/nkconform/nkconform/mprog"
)

// loopback is the ifindex of the device that every namespace has.
const loopback = 1

// The probes, each made once a program, in an environment of its own so that it
// leaves no trace in the one that asks.
var probes = map[mprog.Feature]func() error{
	mprog.FeatureTCX: sync.OnceValue(func() error {
		return probe(func(k *Kernel) error {
			return k.tryAttach(loopback, mprog.TCXIngress)
		})
	}),
	mprog.FeatureNetkit: sync.OnceValue(func() error {
		return probe(func(k *Kernel) error {
			ifindex, _, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"})
			if err != nil {
				return err
			}
			return k.tryAttach(ifindex, mprog.NetkitPrimary)
		})
	}),
	mprog.FeatureVeth:  sync.OnceValue(func() error { return probe(canAdd(mprog.Veth)) }),
	mprog.FeatureDummy: sync.OnceValue(func() error { return probe(canAdd(mprog.Dummy)) }),
}

// Supports tries the feature out; the kernel's version plays no part.
func (k *Kernel) Supports(feature mprog.Feature) error {
	try, ok := probes[feature]
	if !ok {
		return fmt.Errorf("feature %q: %w: not known here", feature, mprog.ErrUnsupported)
	}
	if err := try(); err != nil {
		return fmt.Errorf("feature %s: %w", feature, err)
	}
	return nil
}

func canAdd(kind mprog.DeviceKind) func(*Kernel) error {
	return func(k *Kernel) error {
		_, _, err := k.AddDevice(mprog.DeviceSpec{Kind: kind, Name: "d0", Peer: "d1"})
		return err
	}
}

func probe(try func(*Kernel) error) error {
	k, err := New()
	if err != nil {
		return err
	}
	err = try(k)
	if shutdownErr := k.Shutdown(); err == nil {
		err = shutdownErr
	}
	return err
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
