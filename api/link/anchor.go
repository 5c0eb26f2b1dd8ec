package link

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/nkconform/nkconform/mprog"
)

// Anchor is a place on a hook, given by a program or a link that is there, or by
// an end of the list.
type Anchor interface {
	// anchor returns the place as the kernel wants it: an fd or an id, and the
	// flags that say which of these it is and on what side of it the place is.
	anchor() (fdOrID uint32, flags mprog.Flags, err error)
}

// Head is the place in front of everything.
func Head() Anchor { return end(mprog.Before) }

// Tail is the place behind everything.
func Tail() Anchor { return end(mprog.After) }

// BeforeLink is the place right in front of a link.
func BeforeLink(target Link) Anchor { return fdAnchor{target, mprog.Before | mprog.Link} }

// AfterLink is the place right behind a link.
func AfterLink(target Link) Anchor { return fdAnchor{target, mprog.After | mprog.Link} }

// BeforeLinkByID is the place right in front of the link with an id.
func BeforeLinkByID(target ID) Anchor {
	return idAnchor{uint32(target), mprog.Before | mprog.Link}
}

// AfterLinkByID is the place right behind the link with an id.
func AfterLinkByID(target ID) Anchor { return idAnchor{uint32(target), mprog.After | mprog.Link} }

// BeforeProgram is the place right in front of a program, whatever attached it.
func BeforeProgram(target *Program) Anchor { return fdAnchor{target, mprog.Before} }

// AfterProgram is the place right behind a program, whatever attached it.
func AfterProgram(target *Program) Anchor { return fdAnchor{target, mprog.After} }

// BeforeProgramByID is the place right in front of the program with an id.
func BeforeProgramByID(target ebpf.ProgramID) Anchor {
	return idAnchor{uint32(target), mprog.Before}
}

// AfterProgramByID is the place right behind the program with an id.
func AfterProgramByID(target ebpf.ProgramID) Anchor {
	return idAnchor{uint32(target), mprog.After}
}

// ReplaceProgram is a program's own place. Only [RawAttachProgram] can take it:
// links replace nothing, ENOENT, and a detach refuses to, EINVAL.
func ReplaceProgram(target *Program) Anchor { return fdAnchor{target, mprog.Replace} }

// ReplaceProgramByID is meant to be the place of the program with an id. No
// kernel can take it, since a program to be replaced is named by its fd: the
// id is handed over as one. That is EBADF for most ids, and ENOENT for one that
// happens to be a program's fd.
func ReplaceProgramByID(target ebpf.ProgramID) Anchor {
	return idAnchor{uint32(target), mprog.Replace}
}

type end mprog.Flags

func (e end) anchor() (uint32, mprog.Flags, error) { return 0, mprog.Flags(e), nil }

type idAnchor struct {
	id    uint32
	flags mprog.Flags
}

func (a idAnchor) anchor() (uint32, mprog.Flags, error) { return a.id, a.flags | mprog.ID, nil }

type fdAnchor struct {
	target any // *Program or Link
	flags  mprog.Flags
}

// anchor fails with EBADF for what is closed.
func (a fdAnchor) anchor() (uint32, mprog.Flags, error) {
	target, ok := a.target.(interface{ FD() int })
	if !ok {
		return 0, 0, fmt.Errorf("invalid target %T", a.target)
	}
	fd := target.FD()
	if fd < 0 {
		return 0, 0, errClosed
	}
	return uint32(fd), a.flags, nil
}

// position returns what a request takes from an anchor, which may be nil, and
// from flags that were checked with [checkFlags].
func position(a Anchor, flags uint32) (uint32, mprog.Flags, error) {
	if a == nil {
		return 0, mprog.Flags(flags), nil
	}
	fdOrID, position, err := a.anchor()
	return fdOrID, position | mprog.Flags(flags), err
}

// checkFlags refuses flags that an anchor stands for.
func checkFlags(flags uint32) error {
	if mprog.Flags(flags)&mprog.AttachMask != 0 {
		return fmt.Errorf("disallowed flags: use Anchor to specify attach target")
	}
	return nil
}

// checkInterface refuses ifindexes that none can have.
func checkInterface(ifindex int) error {
	if ifindex < 0 {
		return fmt.Errorf("interface %d is out of bounds", ifindex)
	}
	return nil
}
