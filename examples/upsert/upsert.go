// Package upsert is how an agent keeps its program on a netkit device while the
// agent is restarted and upgraded, and while the device comes and goes: the link
// is pinned, and found again by its pin.
package upsert

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cilium/ebpf"

	"github.com/nkconform/nkconform/api/link"
	"github.com/nkconform/nkconform/mprog"
)

// Upsert makes a program the one of a device's link, which is pinned at a path that
// begins with pin and names the device by its ifindex: so a link whose device is gone is
// in nobody's way, and nobody has to unpin what may be another agent's by then. It makes the link when there is none.
// Where somebody else does so at the same time, the one that is pinned first stays.
func Upsert(k mprog.Kernel, ifindex int, prog *link.Program, pin string) error {
	pin = fmt.Sprintf("%s-%d", pin, ifindex)
	err := update(k, prog, pin)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	l, err := link.AttachNetkit(k, link.NetkitOptions{
		Interface: ifindex, Program: prog, Attach: ebpf.AttachNetkitPrimary,
	})
	if err != nil {
		return err
	}
	err = l.Pin(pin)
	if err := errors.Join(err, l.Close()); !errors.Is(err, fs.ErrExist) { // the pin keeps it
		return err
	}
	return update(k, prog, pin)
}

// update replaces the program of a pinned link: fs.ErrNotExist when none is pinned.
func update(k mprog.Kernel, prog *link.Program, pin string) error {
	l, err := link.LoadPinnedLink(k, pin, nil)
	if err != nil {
		return err
	}
	defer l.Close()
	return l.Update(prog)
}
