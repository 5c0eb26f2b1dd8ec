// Package benign is how an agent takes EEXIST for what it is: the program is on
// the hook already, since an interface was reported twice, or by an attach whose
// link was lost. It finds that link, and no other.
package benign

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/cilium/ebpf"

	"github.com/nkconform/nkconform/api/link"
	"github.com/nkconform/nkconform/mprog"
)

// Attach attaches a program to a device, or finds the link by which it is
// attached.
func Attach(k mprog.Kernel, ifindex int, prog *link.Program) (link.Link, error) {
	l, err := link.AttachTCX(k, link.TCXOptions{
		Interface: ifindex, Program: prog, Attach: ebpf.AttachTCXIngress,
	})
	if !errors.Is(err, fs.ErrExist) {
		return l, err
	}
	info, err := prog.Info()
	if err != nil {
		return nil, err
	}
	opts := link.QueryOptions{Target: ifindex, Attach: ebpf.AttachTCXIngress}
	res, err := link.QueryPrograms(k, opts)
	for errors.Is(err, syscall.ENOSPC) { // there are more since they were counted
		res, err = link.QueryPrograms(k, opts)
	}
	if err != nil {
		return nil, err
	}
	ours, _ := info.ID()
	for _, p := range res.Programs {
		if p.ID != ours {
			continue // another agent's, wherever it stands
		}
		if id, ok := p.LinkID(); ok {
			return link.NewFromID(k, id)
		}
		return nil, fmt.Errorf("%s is attached to interface %d without a link", info.Name, ifindex)
	}
	return nil, fmt.Errorf("%s was attached to interface %d and is not any more", info.Name, ifindex)
}
