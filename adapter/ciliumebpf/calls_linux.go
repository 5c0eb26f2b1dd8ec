package ciliumebpf

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/nkconform/nkconform/mprog"
)

// ProgAttach is [link.RawAttachProgram].
func (e *Environment) ProgAttach(r mprog.AttachRequest) error {
	return e.raw(mprog.OpProgAttach, r, func(o link.RawAttachProgramOptions) error { return link.RawAttachProgram(o) })
}

// ProgDetach is [link.RawDetachProgram].
func (e *Environment) ProgDetach(r mprog.DetachRequest) error {
	return e.raw(mprog.OpProgDetach, mprog.AttachRequest(r), func(o link.RawAttachProgramOptions) error {
		return link.RawDetachProgram(link.RawDetachProgramOptions(o))
	})
}

func (e *Environment) raw(op mprog.Op, r mprog.AttachRequest, call func(link.RawAttachProgramOptions) error) error {
	if r.Shape != (mprog.Shape{}) {
		return unsupported(op, "size of its own")
	}
	prog, err := e.prog(op, r.AttachFD)
	if err != nil {
		return err
	}
	defer prog.Close()
	at, err := e.position(op, r.Flags, r.Relative, r.ReplaceFD)
	if err != nil {
		return err
	}
	defer at.close()
	return failure(op, e.on(func() error {
		return call(link.RawAttachProgramOptions{
			Target: int(r.TargetIfindex), Program: prog, Attach: ebpf.AttachType(r.AttachType),
			Anchor: at.anchor, Flags: at.flags, ExpectedRevision: r.ExpectedRevision,
		})
	}))
}

// LinkCreate is [link.AttachNetkit] and [link.AttachTCX].
func (e *Environment) LinkCreate(r mprog.LinkCreateRequest) (fd uint32, err error) {
	const op = mprog.OpLinkCreate
	if r.AttachType == mprog.XDPDevice { // it only sets the stage
		return e.Kernel.LinkCreate(r)
	}
	if r.Shape != (mprog.Shape{}) || !r.AttachType.Netkit() && !r.AttachType.TCX() || r.Flags&mprog.Replace != 0 {
		return 0, unsupported(op, "such link")
	}
	prog, err := e.prog(op, r.ProgFD)
	if err != nil {
		return 0, err
	}
	defer prog.Close()
	at, err := e.position(op, r.Flags, r.Relative, 0)
	if err != nil {
		return 0, err
	}
	defer at.close()
	var l link.Link
	err = e.on(func() (err error) {
		if r.AttachType.TCX() {
			l, err = link.AttachTCX(link.TCXOptions{
				Interface: int(r.TargetIfindex), Program: prog, Attach: ebpf.AttachType(r.AttachType),
				Anchor: at.anchor, Flags: at.flags, ExpectedRevision: r.ExpectedRevision,
			})
			return err
		}
		l, err = link.AttachNetkit(link.NetkitOptions{
			Interface: int(r.TargetIfindex), Program: prog, Attach: ebpf.AttachType(r.AttachType),
			Anchor: at.anchor, Flags: at.flags, ExpectedRevision: r.ExpectedRevision,
		})
		return err
	})
	if err != nil {
		return 0, failure(op, err)
	}
	defer l.Close() // the environment has the link by another fd
	info, err := l.Info()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", op, err)
	}
	return e.LinkFDByID(mprog.IDRequest{ID: uint32(info.ID)})
}

// LinkUpdate is UpdateArgs of [link.RawLink].
func (e *Environment) LinkUpdate(r mprog.LinkUpdateRequest) error {
	const op = mprog.OpLinkUpdate
	if r.Shape != (mprog.Shape{}) || r.Flags&mprog.Replace == 0 && r.OldProgFD != 0 {
		return unsupported(op, "such update")
	}
	l, err := e.link(op, r.LinkFD)
	if err != nil {
		return err
	}
	defer l.Close()
	o := link.RawLinkUpdateOptions{Flags: uint32(r.Flags)}
	if o.New, err = e.prog(op, r.NewProgFD); err != nil {
		return err
	}
	defer o.New.Close()
	if r.Flags&mprog.Replace != 0 {
		if o.Old, err = e.prog(op, r.OldProgFD); err != nil {
			return err
		}
		defer o.Old.Close()
	}
	u, ok := l.(interface {
		UpdateArgs(link.RawLinkUpdateOptions) error
	})
	if !ok {
		return unsupported(op, "such link")
	}
	return failure(op, u.UpdateArgs(o))
}

// LinkDetach is Detach of [link.RawLink].
func (e *Environment) LinkDetach(r mprog.LinkDetachRequest) error {
	const op = mprog.OpLinkDetach
	if r.Shape != (mprog.Shape{}) {
		return unsupported(op, "size of its own")
	}
	l, err := e.link(op, r.LinkFD)
	if err != nil {
		return err
	}
	defer l.Close()
	d, ok := l.(interface{ Detach() error })
	if !ok {
		return unsupported(op, "such link")
	}
	return failure(op, d.Detach())
}
