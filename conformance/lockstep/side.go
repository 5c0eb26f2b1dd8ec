package lockstep

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/nkconform/nkconform/mprog"
)

// The slots of programs are the same in every sequence; what a sequence makes
// comes behind them.
const (
	schedProgs   = 68 // slots 0 to 67: more than a hook takes
	xdpProgs     = 68 // and the next: a link of an XDP program can be updated
	filterProg   = 70
	firstDynamic = 71
	maxObjects   = 1024
	maxPaths     = 4
)

// unbound is passed where a step names an object or device that was not made.
const unbound = 1<<31 - 1

// progSpec returns the program of a slot.
func progSpec(n int16) mprog.ProgSpec {
	spec := mprog.ProgSpec{Name: progName(n), Return: -1}
	switch n {
	case xdpProgs, xdpProgs + 1:
		spec.Type = mprog.XDP
	case filterProg:
		spec.Type = mprog.SocketFilter
	default:
		switch n % 8 {
		case 3:
			spec.Return = 0
		case 6:
			spec.Return = 2
		}
	}
	return spec
}

func progName(n int16) string { return "p" + strconv.Itoa(int(n)+1) }

// side is one of the two environments: which numbers the slots stand for.
type side struct {
	env      mprog.Environment
	procs    []mprog.Kernel     // nil: ended
	children []mprog.Process    // the same, without the first
	fd, id   [maxObjects]uint32 // by slot of the object
	made     [maxObjects]bool
	ifindex  []uint32    // by slot of the device
	netns    mprog.Netns // the other one, if the stage has it

	devices, progs, links numbers
	progIDs, linkIDs      [mprog.MaxPrograms + 1]uint32
	progFlags, linkFlags  [mprog.MaxPrograms + 1]uint32
}

// newSide loads the programs that all sequences use.
func newSide(env mprog.Environment) (*side, error) {
	s := &side{env: env}
	s.procs, s.children = []mprog.Kernel{env}, []mprog.Process{nil}
	for n := range int16(firstDynamic) {
		if err := s.load(n); err != nil {
			return nil, err
		}
	}
	return s, s.anchor()
}

func (s *side) load(n int16) error {
	fd, err := s.env.LoadProg(progSpec(n))
	if err != nil {
		return fmt.Errorf("load program: %w", err)
	}
	info, err := s.env.ObjectInfo(fd)
	if err != nil {
		return fmt.Errorf("load program: %w", err)
	}
	if s.made[n] {
		s.progs.remove(s.id[n])
	}
	s.fd[n], s.id[n], s.made[n] = fd, info.ID, true
	s.progs.put(info.ID, n)
	return nil
}

// anchor keeps both tcx hooks of a device that no sequence uses occupied:
// otherwise a kernel patches its code at each first attach and last detach.
func (s *side) anchor() error {
	if s.env.Supports(mprog.FeatureTCX) != nil {
		return nil
	}
	fd, err := s.env.LoadProg(mprog.ProgSpec{Name: "anchor"})
	if err != nil {
		return fmt.Errorf("load program: %w", err)
	}
	ifindex, _, err := s.env.AddDevice(mprog.DeviceSpec{Kind: mprog.AnyDevice, Name: "anchor"})
	if err != nil {
		return err
	}
	for _, at := range []mprog.AttachType{mprog.TCXIngress, mprog.TCXEgress} {
		if err := s.env.ProgAttach(mprog.AttachRequest{TargetIfindex: ifindex, AttachFD: fd, AttachType: at}); err != nil {
			return fmt.Errorf("anchor: %w", err)
		}
	}
	return nil
}

// end takes away what the sequence has left, but for devices and what is
// attached without a link, so that the next one can use the same environment.
func (s *side) end(objects []object, pins [maxPaths]bool) error {
	var errs []error
	note := func(err error) {
		if err != nil && !errors.Is(err, mprog.ErrUnsupported) {
			errs = append(errs, err)
		}
	}
	for _, p := range s.children {
		if p != nil {
			note(p.Exit())
		}
	}
	s.children, s.procs = s.children[:1], s.procs[:1]
	for n, pinned := range pins {
		if pinned {
			note(s.env.Unlink(path(uint8(n))))
		}
	}
	for n := range objects {
		o := &objects[n]
		switch {
		case n < firstDynamic && o.open&1 == 0:
			note(s.load(int16(n)))
		case n >= firstDynamic && o.open&1 != 0:
			note(s.env.Close(s.fd[n]))
		}
	}
	for n := firstDynamic; n < len(objects); n++ {
		s.made[n] = false
	}
	s.links.clear()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("end sequence: %w", err)
	}
	return nil
}

func path(n uint8) string { return mprog.BPFFS + "/pin" + strconv.Itoa(int(n)) }

func (s *side) device(r Ref) uint32 {
	switch {
	case !r.slot():
		return r.Raw
	case int(r.Slot) < len(s.ifindex):
		return s.ifindex[r.Slot]
	}
	return unbound
}

func (s *side) number(table *[maxObjects]uint32, r Ref) uint32 {
	switch {
	case !r.slot():
		return r.Raw
	case s.made[r.Slot]:
		return table[r.Slot]
	}
	return unbound
}

func (s *side) fdOf(r Ref) uint32 { return s.number(&s.fd, r) }
func (s *side) idOf(r Ref) uint32 { return s.number(&s.id, r) }

// bind gives a slot an object of which another slot may tell the id.
func (s *side) bind(n int16, fd, id uint32) {
	s.fd[n], s.id[n], s.made[n] = fd, id, true
}

// shown is a hook as a query of one side shows it, in the numbers of that side.
type shown struct {
	known  bool
	err    error
	errno  mprog.Errno
	result mprog.QueryResult
	progs  [mprog.MaxPrograms + 1]uint32
	links  [mprog.MaxPrograms + 1]uint32
}

// look queries the whole of a hook, as a process that sees the device, and reports
// whether it is not as it was when it was looked at last.
func (s *side) look(viewer int8, h Hook, was *shown) (changed bool) {
	res, err := s.procs[viewer].ProgQuery(mprog.QueryRequest{
		TargetIfindex: s.device(slot(h.Device)), AttachType: h.Type, Count: uint32(len(s.progIDs)),
		ProgIDs: s.progIDs[:], LinkIDs: s.linkIDs[:],
	})
	var errno mprog.Errno
	if err != nil {
		errno, _ = mprog.ErrnoOf(err)
	}
	n := min(int(res.Count), len(s.progIDs))
	if was.known && errno == was.errno && (err == nil) == (was.err == nil) && res == was.result &&
		slices.Equal(s.progIDs[:n], was.progs[:n]) && slices.Equal(s.linkIDs[:n], was.links[:n]) {
		return false
	}
	was.known, was.err, was.errno, was.result = true, err, errno, res
	copy(was.progs[:n], s.progIDs[:n])
	copy(was.links[:n], s.linkIDs[:n])
	return true
}

// translate writes what a query showed in slots.
func (s *side) translate(v *shown, a *Answer) error {
	a.reset()
	return s.answer(v.result, v.err, mprog.QueryRequest{Count: uint32(len(v.progs)), ProgIDs: v.progs[:], LinkIDs: v.links[:]}, a)
}

func (s *side) query(k mprog.Kernel, r mprog.QueryRequest, a *Answer) error {
	res, err := k.ProgQuery(r)
	return s.answer(res, err, r, a)
}

func (s *side) answer(res mprog.QueryResult, err error, r mprog.QueryRequest, a *Answer) error {
	if err := a.refusal(err); err != nil || a.Errno != 0 && a.Errno != mprog.ENOSPC && a.Errno != mprog.EFAULT {
		return err
	}
	a.Revision, a.Count, a.AttachFlags = res.Revision, res.Count, res.AttachFlags
	if r.ProgIDs == nil {
		return nil
	}
	for i := range min(res.Count, r.Count) {
		if a.Errno == mprog.EFAULT && r.ProgIDs[i] == 0 {
			break // written up to here
		}
		e := Entry{s.progs.slot(r.ProgIDs[i]), -1}
		if r.LinkIDs != nil {
			e.Link = s.links.slot(r.LinkIDs[i])
		}
		a.Entries = append(a.Entries, e)
	}
	return nil
}

// refusal notes a call's errno. An error that is none is returned.
func (a *Answer) refusal(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := err.(*mprog.Error); ok { // as all that is refused
		a.Errno = e.Errno
		return nil
	}
	errno, ok := mprog.ErrnoOf(err)
	if !ok || errors.Is(err, mprog.ErrUnsupported) {
		return err
	}
	a.Errno = errno
	return nil
}
