// Package upsert is how an agent keeps its program on a netkit device while the
// agent is restarted and upgraded, and while the device comes and goes: the link
// is pinned, and found again by its pin.
package upsert

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/cilium/ebpf"

	"github.com/nkconform/nkconform/api/link"
	"github.com/nkconform/nkconform/mprog"
)

// Upsert makes a program the one of the link that is pinned at a path. It makes
// the link when there is none, or when its device is gone.
func Upsert(k mprog.Kernel, ifindex int, prog *link.Program, pin string) error {
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
	defer l.Close() // the pin keeps it
	if err := l.Pin(pin); err != nil {
		return fmt.Errorf("pin the new link: %w", err)
	}
	return nil
}

// update replaces the program of a pinned link. A link whose device is gone is
// unpinned, and from then on as if it had never been: fs.ErrNotExist.
func update(k mprog.Kernel, prog *link.Program, pin string) error {
	l, err := link.LoadPinnedLink(k, pin, nil)
	if err != nil {
		return err
	}
	defer l.Close()
	err = l.Update(prog)
	if !errors.Is(err, syscall.ENOLINK) {
		return err
	}
	if err := l.Unpin(); err != nil {
		return fmt.Errorf("unpin a defunct link: %w", err)
	}
	return fs.ErrNotExist
}
