package lockstep

import (
	"fmt"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/mprog"
)

// perform makes the call of a step. The error is not a refusal, which is an
// answer, but the environment's inability. A panic is an answer, too: a finding
// must not be lost with what it breaks.
func (s *side) perform(st *Step, revision uint64, a *Answer) (err error) {
	a.reset()
	defer func() {
		if r := recover(); r != nil {
			*a, err = Answer{Panic: fmt.Sprint(r)}, nil
		}
	}()
	if int(st.Process) >= len(s.procs) || s.procs[st.Process] == nil {
		return fmt.Errorf("no process %d", st.Process)
	}
	k := s.procs[st.Process]
	switch st.Op {
	case Attach:
		return a.refusal(k.ProgAttach(s.attachRequest(st, revision)))
	case Fill:
		for i := range int16(st.Count) {
			one := *st
			one.Object = slot(st.Object.Slot + i)
			if err := a.refusal(k.ProgAttach(s.attachRequest(&one, 0))); err != nil || a.Errno != 0 {
				return err
			}
		}
		return nil
	case Detach:
		return a.refusal(k.ProgDetach(mprog.DetachRequest(s.attachRequest(st, revision))))
	case Query:
		return s.performQuery(k, st, a)
	case CreateLink:
		return s.createLink(k, st, revision, a)
	case UpdateLink:
		return a.refusal(k.LinkUpdate(mprog.LinkUpdateRequest{
			Shape: st.Shape, LinkFD: s.fdOf(st.Object), NewProgFD: s.fdOf(st.Second),
			Flags: st.Flags, OldProgFD: s.fdOf(st.Third),
		}))
	case DetachLink:
		return a.refusal(k.LinkDetach(mprog.LinkDetachRequest{Shape: st.Shape, LinkFD: s.fdOf(st.Object)}))
	case Info:
		return s.info(k, s.fdOf(st.Object), a)
	case Close:
		return a.refusal(k.Close(s.fdOf(st.Object)))
	case DeleteDevice:
		return a.refusal(s.env.DeleteDevice(s.device(st.Device)))
	case MoveDevice:
		return s.moveDevice(st, a)
	case EndNetns:
		return a.refusal(s.env.EndNetns(s.netns))
	case AddQdisc, DeleteQdisc, AddFilter, DeleteFilter:
		return s.performTC(k, st, a)
	}
	return s.performOther(k, st, a)
}

func (s *side) attachRequest(st *Step, revision uint64) mprog.AttachRequest {
	return mprog.AttachRequest{
		Shape: st.Shape, TargetIfindex: s.device(st.Device), AttachFD: s.fdOf(st.Object),
		AttachType: st.Type, Flags: st.Flags, ReplaceFD: s.fdOf(st.Second),
		Relative: s.relative(st), ExpectedRevision: revision,
	}
}

func (s *side) relative(st *Step) uint32 {
	if st.ByID {
		return s.idOf(st.Relative)
	}
	return s.fdOf(st.Relative)
}

func (s *side) performQuery(k mprog.Kernel, st *Step, a *Answer) error {
	r := mprog.QueryRequest{
		Shape: st.Shape, TargetIfindex: s.device(st.Device), AttachType: st.Type,
		QueryFlags: st.QueryFlags, AttachFlags: st.AttachFlags, Count: st.Count,
		ProgIDs: s.progIDs[:], LinkIDs: s.linkIDs[:],
	}
	clear(s.progIDs[:])
	clear(s.linkIDs[:])
	if st.NoProgIDs {
		r.ProgIDs = nil
	}
	if st.NoLinkIDs {
		r.LinkIDs = nil
	}
	if st.ProgFlags {
		r.ProgAttachFlags = conformance.Unwritten(s.progFlags[:])
	}
	if st.LinkFlags {
		r.LinkAttachFlags = conformance.Unwritten(s.linkFlags[:])
	}
	err := s.query(k, r, a)
	a.ProgAttachFlags = conformance.Written(r.ProgAttachFlags)
	a.LinkAttachFlags = conformance.Written(r.LinkAttachFlags)
	return err
}

func (s *side) createLink(k mprog.Kernel, st *Step, revision uint64, a *Answer) error {
	fd, err := k.LinkCreate(mprog.LinkCreateRequest{
		Shape: st.Shape, ProgFD: s.fdOf(st.Object), TargetIfindex: s.device(st.Device),
		AttachType: st.Type, Flags: st.Flags, Relative: s.relative(st), ExpectedRevision: revision,
	})
	if err != nil {
		return a.refusal(err)
	}
	info, err := k.ObjectInfo(fd)
	if err != nil {
		return fmt.Errorf("info of a new link: %w", err)
	}
	s.bind(st.Makes, fd, info.ID)
	s.links.put(info.ID, st.Makes)
	return nil
}

func (s *side) info(k mprog.Kernel, fd uint32, a *Answer) error {
	info, err := k.ObjectInfo(fd)
	if err != nil {
		return a.refusal(err)
	}
	a.Info = Described{Kind: info.Kind, AttachType: info.AttachType}
	if info.Kind == mprog.ProgObject {
		a.Info.Type, a.Info.Object = uint32(info.ProgType), s.progs.slot(info.ID)
		return nil
	}
	a.Info.Type, a.Info.Object = uint32(info.LinkType), s.links.slot(info.ID)
	a.Info.Prog, a.Info.Device = s.progs.slot(info.ProgID), s.devices.slot(info.Ifindex)
	return nil
}

// performOther is perform for what does not concern a hook.
func (s *side) performOther(k mprog.Kernel, st *Step, a *Answer) error {
	var err error
	var fd uint32
	byID := mprog.IDRequest{Shape: st.Shape, ID: s.idOf(st.Object), OpenFlags: st.AttachFlags}
	switch st.Op {
	case OpenProg:
		fd, err = k.ProgFDByID(byID)
	case OpenLink:
		fd, err = k.LinkFDByID(byID)
	case Get:
		fd, err = k.ObjGet(mprog.GetRequest{Shape: st.Shape, Path: path(st.Path), Flags: st.AttachFlags})
	case Dup:
		fd, err = k.Dup(s.fdOf(st.Object))
	case NextProg:
		return s.next(&s.progs, a)(k.ProgNextID(byID))
	case NextLink:
		return s.next(&s.links, a)(k.LinkNextID(byID))
	case Pin:
		return a.refusal(k.ObjPin(mprog.PinRequest{
			Shape: st.Shape, Path: path(st.Path), FD: s.fdOf(st.Object), Flags: st.AttachFlags,
		}))
	case Unlink:
		return a.refusal(k.Unlink(path(st.Path)))
	case Command:
		return a.refusal(k.Command(mprog.CommandRequest{Shape: st.Shape, Command: st.AttachFlags}))
	case StartProcess:
		return s.startProcess(st, a)
	case EndProcess:
		p := s.children[st.Makes]
		s.children[st.Makes], s.procs[st.Makes] = nil, nil
		return a.refusal(p.Exit())
	case Send:
		d, err := s.env.Transmit(s.device(st.Device))
		a.Delivered = d.Delivered
		for _, id := range d.Ran {
			a.Entries = append(a.Entries, Entry{s.progs.slot(id), -1})
		}
		return a.refusal(err)
	}
	if err != nil {
		return a.refusal(err)
	}
	info, err := k.ObjectInfo(fd)
	if err != nil {
		return fmt.Errorf("info of a new fd: %w", err)
	}
	s.bind(st.Makes, fd, info.ID)
	a.Info.Kind, a.Info.Object = info.Kind, s.progs.slot(info.ID)
	if info.Kind == mprog.LinkObject {
		a.Info.Object = s.links.slot(info.ID)
	}
	return nil
}

func (s *side) next(slots *numbers, a *Answer) func(uint32, error) error {
	return func(id uint32, err error) error {
		if err == nil {
			a.Next = slots.slot(id)
		}
		return a.refusal(err)
	}
}

func (s *side) startProcess(st *Step, a *Answer) error {
	var spec mprog.ProcessSpec
	for _, c := range st.Without {
		if c != 0 {
			spec.Without = append(spec.Without, c)
		}
	}
	if st.Away {
		spec.Netns = s.netns
	}
	p, err := s.env.NewProcess(spec)
	if err != nil {
		return a.refusal(err)
	}
	for len(s.procs) <= int(st.Makes) {
		s.procs, s.children = append(s.procs, nil), append(s.children, nil)
	}
	s.procs[st.Makes], s.children[st.Makes] = p, p
	return nil
}

func (s *side) moveDevice(st *Step, a *Answer) error {
	ifindex, err := s.env.MoveDevice(s.device(st.Device), s.netns)
	if err == nil && st.Device.slot() {
		s.ifindex[st.Device.Slot] = ifindex
		s.devices.put(ifindex, st.Device.Slot)
	}
	return a.refusal(err)
}
