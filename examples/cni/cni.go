//go:build linux

// Package cni is an agent of the shape that network plugins have: programs and
// maps from an ELF file, tail calls, links that are pinned and found again after a
// restart, addresses and routes by netlink. It knows nothing of tests, but for the
// seam of [Upsert], which one of its three kinds of tests needs:
//
//   - upsert_test.go on package fake, through the seam;
//   - cni_test.go on intercept.NewT, as it is;
//   - exec.sh on nkconform exec, the whole command.
package cni

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
)

//go:embed bpf/cni.o
var elf []byte

// Agent has the programs loaded. It must be closed.
type Agent struct {
	dir    string // of pins
	progs  *ebpf.Program
	policy *ebpf.Program
	stages *ebpf.Map
	denied *ebpf.Map
}

// Load loads programs and maps. Links are pinned in a folder of a bpf file system,
// which is made.
func Load(dir string) (*Agent, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder for pins: %w", err)
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(elf))
	if err != nil {
		return nil, fmt.Errorf("read programs: %w", err)
	}
	var objects struct {
		From   *ebpf.Program `ebpf:"from_container"`
		Policy *ebpf.Program `ebpf:"policy"`
		Stages *ebpf.Map     `ebpf:"stages"`
		Denied *ebpf.Map     `ebpf:"denied"`
	}
	if err := spec.LoadAndAssign(&objects, nil); err != nil {
		return nil, fmt.Errorf("load programs: %w", err)
	}
	return &Agent{dir, objects.From, objects.Policy, objects.Stages, objects.Denied}, nil
}

// Close closes what is open. What is pinned stays attached.
func (a *Agent) Close() error {
	return errors.Join(a.progs.Close(), a.policy.Close(), a.stages.Close(), a.denied.Close())
}

// Deny drops packets to a UDP port of containers that are added.
func (a *Agent) Deny(port uint16) error {
	if err := a.denied.Put(port, uint64(0)); err != nil {
		return fmt.Errorf("deny port %d: %w", port, err)
	}
	if err := a.stages.Put(uint32(0), a.policy); err != nil {
		return fmt.Errorf("install the policy: %w", err)
	}
	return nil
}

// Dropped tells how many packets to a port were dropped.
func (a *Agent) Dropped(port uint16) (drops uint64, err error) {
	if err := a.denied.Lookup(port, &drops); err != nil {
		return 0, fmt.Errorf("drops of port %d: %w", port, err)
	}
	return drops, nil
}

// Add gives the host's end of a netkit pair an address and the program.
func (a *Agent) Add(device, address string) error {
	d, err := netlink.LinkByName(device)
	if err != nil {
		return fmt.Errorf("add %s: %w", device, err)
	}
	addr, err := netlink.ParseAddr(address)
	if err != nil {
		return fmt.Errorf("add %s: %w", device, err)
	}
	if err := netlink.AddrReplace(d, addr); err != nil {
		return fmt.Errorf("add %s: address: %w", device, err)
	}
	if err := netlink.LinkSetUp(d); err != nil {
		return fmt.Errorf("add %s: up: %w", device, err)
	}
	if err := Upsert(hook{a, d.Attrs().Index, a.pin(device)}); err != nil {
		return fmt.Errorf("add %s: %w", device, err)
	}
	return nil
}

// Remove takes the program off a device, whether or not that still exists.
func (a *Agent) Remove(device string) error {
	if err := os.Remove(a.pin(device)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", device, err)
	}
	return nil
}

func (a *Agent) pin(device string) string { return filepath.Join(a.dir, device) }

// hook is [Hook] on the kernel.
type hook struct {
	agent   *Agent
	ifindex int
	pin     string
}

func (h hook) Update() error {
	l, err := link.LoadPinnedLink(h.pin, nil)
	if err != nil {
		return err
	}
	defer l.Close()
	return l.Update(h.agent.progs)
}

func (h hook) Unpin() error { return os.Remove(h.pin) }

func (h hook) Create() error {
	l, err := link.AttachNetkit(link.NetkitOptions{
		Interface: h.ifindex, Program: h.agent.progs, Attach: ebpf.AttachNetkitPrimary,
	})
	if err != nil {
		return err
	}
	defer l.Close() // the pin keeps it
	return l.Pin(h.pin)
}
