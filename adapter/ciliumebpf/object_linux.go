package ciliumebpf

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/nkconform/nkconform/mprog"
)

func unsupported(op mprog.Op, what string) error {
	return fmt.Errorf("%s: %w: cilium/ebpf takes no %s", op, mprog.ErrUnsupported, what)
}

// failure is the library's error, which wraps the kernel's errno. One without
// errno is the library's own.
func failure(op mprog.Op, err error) error {
	if _, ok := mprog.ErrnoOf(err); !ok {
		return fmt.Errorf("%s: %w: %w", op, mprog.ErrUnsupported, err)
	}
	return err
}

// prog opens the program behind an fd of the environment once more, for the
// library. The caller closes it.
func (e *Environment) prog(op mprog.Op, fd uint32) (*ebpf.Program, error) {
	info, err := e.ObjectInfo(fd)
	if err != nil || info.Kind != mprog.ProgObject {
		return nil, unsupported(op, fmt.Sprintf("fd %d, which is no program", fd))
	}
	p, err := ebpf.NewProgramFromID(ebpf.ProgramID(info.ID))
	if err != nil {
		return nil, fmt.Errorf("%s: open program: %w", op, err)
	}
	return p, nil
}

// link does the same for a link.
func (e *Environment) link(op mprog.Op, fd uint32) (link.Link, error) {
	info, err := e.ObjectInfo(fd)
	if err != nil || info.Kind != mprog.LinkObject {
		return nil, unsupported(op, fmt.Sprintf("fd %d, which is no link", fd))
	}
	l, err := link.NewFromID(link.ID(info.ID))
	if err != nil {
		return nil, fmt.Errorf("%s: open link: %w", op, err)
	}
	return l, nil
}

// position is where a request attaches to, in the library's words.
type position struct {
	anchor link.Anchor
	flags  uint32 // those that are no anchor's
	close  func()
}

// position translates flags, relative object and replaced program.
func (e *Environment) position(op mprog.Op, flags mprog.Flags, relative, replace uint32) (position, error) {
	p := position{flags: uint32(flags &^ mprog.AttachMask), close: func() {}}
	switch where, how := flags&(mprog.Replace|mprog.Before|mprog.After), flags&(mprog.ID|mprog.Link); {
	case where == 0 && how == 0 && relative == 0:
		return p, nil
	case where == mprog.Replace && how == 0 && relative == 0:
		old, err := e.prog(op, replace)
		if err != nil {
			return p, err
		}
		p.anchor, p.close = link.ReplaceProgram(old), func() { old.Close() }
		return p, nil
	case where != mprog.Before && where != mprog.After:
		return p, unsupported(op, "flags "+flags.String())
	case how == 0 && relative == 0:
		p.anchor = link.Head()
		if where == mprog.After {
			p.anchor = link.Tail()
		}
		return p, nil
	default:
		err := e.relative(op, &p, where == mprog.Before, how, relative)
		return p, err
	}
}

// relative sets the anchor to a relative object.
func (e *Environment) relative(op mprog.Op, p *position, before bool, how mprog.Flags, relative uint32) error {
	switch {
	case how == mprog.ID|mprog.Link && before:
		p.anchor = link.BeforeLinkByID(link.ID(relative))
	case how == mprog.ID|mprog.Link:
		p.anchor = link.AfterLinkByID(link.ID(relative))
	case how == mprog.ID && before:
		p.anchor = link.BeforeProgramByID(ebpf.ProgramID(relative))
	case how == mprog.ID:
		p.anchor = link.AfterProgramByID(ebpf.ProgramID(relative))
	case how == mprog.Link:
		l, err := e.link(op, relative)
		if err != nil {
			return err
		}
		p.close = func() { l.Close() }
		if p.anchor = link.AfterLink(l); before {
			p.anchor = link.BeforeLink(l)
		}
	default:
		prog, err := e.prog(op, relative)
		if err != nil {
			return err
		}
		p.close = func() { prog.Close() }
		if p.anchor = link.AfterProgram(prog); before {
			p.anchor = link.BeforeProgram(prog)
		}
	}
	return nil
}
