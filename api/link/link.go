package link

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	ciliumlink "github.com/cilium/ebpf/link"

	"github.com/nkconform/nkconform/mprog"
)

// ID is the id of a link: cilium/ebpf's link.ID.
type ID = ciliumlink.ID

// Type is the type of a link: cilium/ebpf's link.Type.
type Type = ciliumlink.Type

// Link is a program attached to a hook.
type Link interface {
	// Update replaces the program in place: ENOLINK when the device or the
	// attachment is gone, EEXIST when the new program is on the hook by other
	// means. A nil program is a nil pointer dereference.
	Update(*Program) error
	// Pin gives the link a path in a bpf file system, where it outlives its
	// fds; a link that has one is moved. The same path again: nothing happens.
	Pin(path string) error
	// Unpin removes the path. Without one, or when somebody removed it:
	// nothing happens.
	Unpin() error
	// Close closes the fd, which detaches the program unless the link is
	// pinned or open elsewhere. Again: nothing happens.
	Close() error
	// Detach takes the program off its hook. The link stays, defunct. Again:
	// nothing happens.
	Detach() error
	// Info asks the kernel for what it knows of the link. Its error carries no
	// errno, as in cilium/ebpf.
	Info() (*Info, error)

	isLink()
}

// NewFromID opens the link with an id: ENOENT when there is none, EPERM without
// CAP_SYS_ADMIN.
func NewFromID(k mprog.Kernel, id ID) (Link, error) {
	fd, err := k.LinkFDByID(mprog.IDRequest{ID: uint32(id)})
	if err != nil {
		return nil, fmt.Errorf("get link fd from ID %d: %w", id, err)
	}
	return wrap(&RawLink{kernel: k, fd: int(fd)})
}

// LoadPinnedLink opens the link pinned at a path: ENOENT when nothing is there,
// and an error without errno for another object. Options may be nil.
func LoadPinnedLink(k mprog.Kernel, path string, opts *ebpf.LoadPinOptions) (Link, error) {
	fd, err := k.ObjGet(mprog.GetRequest{Path: path, Flags: opts.Marshal()})
	if err != nil {
		return nil, fmt.Errorf("load pinned link: %w", err)
	}
	raw := &RawLink{kernel: k, fd: int(fd), pinnedPath: path}
	info, err := k.ObjectInfo(fd)
	if err == nil && info.Kind != mprog.LinkObject {
		err = fmt.Errorf("%s is not a Link", path)
	}
	if err != nil {
		raw.Close()
		return nil, err
	}
	return wrap(raw)
}

// wrap makes a raw link one of its type; it closes the link when it fails.
func wrap(raw *RawLink) (Link, error) {
	info, err := raw.Info()
	if err != nil {
		raw.Close()
		return nil, err
	}
	switch mprog.LinkType(info.Type) {
	case mprog.NetkitLink:
		return &netkitLink{*raw}, nil
	case mprog.TCXLink:
		return &tcxLink{*raw}, nil
	}
	return raw, nil
}

// RawLink is a link of any type.
type RawLink struct {
	kernel     mprog.Kernel
	fd         int
	pinnedPath string
}

func (l *RawLink) isLink() {}

// FD returns the fd, and -1 after Close.
func (l *RawLink) FD() int { return l.fd }

// Close is as [Link] says.
func (l *RawLink) Close() error { return closeFD(l.kernel, &l.fd) }

// Update is as [Link] says.
func (l *RawLink) Update(prog *Program) error {
	return l.UpdateArgs(RawLinkUpdateOptions{New: prog})
}

// RawLinkUpdateOptions says how [RawLink.UpdateArgs] replaces a program.
type RawLinkUpdateOptions struct {
	New   *Program
	Old   *Program // what it must be before. Optional; needs BPF_F_REPLACE in Flags
	Flags uint32
}

// UpdateArgs replaces the program in place, as [Link.Update] does. It fails with
// EINVAL for an old program without BPF_F_REPLACE, with EPERM when the link has
// another one, and without an errno for a closed program.
func (l *RawLink) UpdateArgs(opts RawLinkUpdateOptions) error {
	req := mprog.LinkUpdateRequest{
		LinkFD: uint32(l.fd), NewProgFD: uint32(opts.New.FD()), Flags: mprog.Flags(opts.Flags),
	}
	if opts.New.FD() < 0 {
		return fmt.Errorf("invalid program: %s", errClosed)
	}
	if opts.Old != nil {
		if opts.Old.FD() < 0 {
			return fmt.Errorf("invalid replacement program: %s", errClosed)
		}
		req.OldProgFD = uint32(opts.Old.FD())
	}
	if err := l.kernel.LinkUpdate(req); err != nil {
		return fmt.Errorf("update link: %w", err)
	}
	return nil
}

// Detach is as [Link] says.
func (l *RawLink) Detach() error {
	err := l.kernel.LinkDetach(mprog.LinkDetachRequest{LinkFD: uint32(l.fd)})
	switch {
	case errors.Is(err, mprog.EOPNOTSUPP):
		return ErrNotSupported
	case err != nil:
		return fmt.Errorf("detach link: %w", err)
	}
	return nil
}
