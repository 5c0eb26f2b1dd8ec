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
	case mprog.FeatureCgroup:
		_, err := k.tryCgroup()
		return err
	case mprog.FeatureCgroupMprog:
		revision, err := k.tryCgroup()
		if err == nil && revision == 0 {
			err = fmt.Errorf("%w: a cgroup's hooks have no revision", mprog.ErrUnsupported)
		}
		return err
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

// tryCgroup attaches a program to a cgroup and returns the hook's revision.
func (k *Kernel) tryCgroup() (revision uint64, err error) {
	fd, _, err := k.NewCgroup(mprog.CgroupSpec{Name: "probe"})
	if err != nil {
		return 0, err
	}
	prog, err := k.LoadProg(mprog.ProgSpec{Name: "probe", Type: mprog.CgroupSKB, Return: 1, Mute: true})
	if err != nil {
		return 0, fmt.Errorf("%w: %w", mprog.ErrUnsupported, err)
	}
	hook := mprog.QueryRequest{TargetIfindex: fd, AttachType: mprog.CgroupInetIngress}
	for _, at := range []mprog.AttachType{mprog.CgroupInetIngress, mprog.CgroupInetEgress} {
		hook.AttachType, hook.QueryFlags = at, mprog.QueryEffective
		above, err := k.ProgQuery(hook)
		if err != nil {
			return 0, fmt.Errorf("%w: %w", mprog.ErrUnsupported, err)
		}
		if above.Count > 0 {
			return 0, fmt.Errorf("%w: the program's cgroup has programs at %s", mprog.ErrUnsupported, at)
		}
	}
	err = k.ProgAttach(mprog.AttachRequest{TargetIfindex: fd, AttachFD: prog, AttachType: hook.AttachType})
	if err != nil {
		return 0, fmt.Errorf("%w: %w", mprog.ErrUnsupported, err)
	}
	hook.QueryFlags = 0
	r, err := k.ProgQuery(hook)
	return r.Revision, err
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
