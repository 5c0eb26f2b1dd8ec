package fake

import (
	"fmt"
	"io/fs"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// Code is a kernel's own code. It answers the commands on hooks in the place of the
// fake's rules, and decides how long programs and links live; fds, processes, network
// namespaces and pins stay the fake's. One Code serves one Kernel, a call at a time.
//
// Methods that let something go return what is no more.
type Code interface {
	// Attr is where the attr of the next command is written.
	Attr() *attr.Buffer
	// Command makes a command of bpf(2) with that attr. The answer is negative for an
	// errno. The error is [mprog.ErrUnsupported] if the command leads to code that
	// there is not, and another one if the code broke one of the kernel's own rules.
	Command(cmd attr.Command, size uint32, by CodeCaller, arrays *[4][]uint32) (answer int64, gone []CodeObject, err error)
	// LastLink is the id of the link that was made last, in vain or not.
	LastLink() uint32
	// Installed is what the command has opened, with a reference of its own.
	Installed() CodeObject

	NewProg(id uint32, spec mprog.ProgSpec) error
	HoldProg(id uint32) // takes the reference of a file again
	PutProg(id uint32) ([]CodeObject, error)
	PutLink(id uint32) ([]CodeObject, error)
	LinkInfo(id uint32) (mprog.ObjectInfo, error)

	// Devices have numbers of their own. Both of a pair are made, then joined.
	NewDevice(net, ifindex uint32, netkit, primary, single bool) (number uint64, err error)
	PairDevices(a, b uint64)
	MoveDevice(number uint64, net, ifindex uint32)
	DeleteDevice(number uint64) ([]CodeObject, error) // and the peer
	// Programs are the ids of those that a packet meets at a hook of the device itself.
	Programs(number uint64, at mprog.AttachType) []uint32

	Close() error
}

// CodeCaller is who makes a command.
type CodeCaller struct {
	Netns  uint32 // number of the network namespace
	Caps   uint64 // a bit for each capability
	NextFD uint32 // that a new file gets
	// File tells what is behind an fd: the kind of [CodeObject], 0 when nothing is.
	File func(fd uint32) CodeObject
}

// CodeObject is a program or a link, by its id.
type CodeObject struct {
	Kind uint32 // one of the constants below
	ID   uint32
}

// The kinds of what fds refer to.
const (
	CodeProg  uint32 = 1
	CodeLink  uint32 = 2
	CodeOther uint32 = 3
)

// DecidedBy makes a kernel whose hooks a kernel's own code decides about. It has to be
// made like that kernel ([Running]), without the features that the code leaves out.
func DecidedBy(c Code) Option { return func(k *Kernel) { k.code = c } }

// Covered says whether all that the kernel was asked for was answered by its code. An error
// that wraps [mprog.ErrUnsupported] tells of a refusal or a packet that was the fake's
// affair, or that the code was not asked at all. Without a code there is none.
func (k *Kernel) Covered() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.code == nil:
		return nil
	case k.stage != "":
		return fmt.Errorf("%w: not covered: %s is answered by the fake, not by the kernel's code", mprog.ErrUnsupported, k.stage)
	case !k.asked:
		return fmt.Errorf("%w: not covered: nothing in it is answered by the kernel's code", mprog.ErrUnsupported)
	}
	return nil
}

// staged notes what the fake has decided itself.
func (k *Kernel) staged(op mprog.Op) {
	if k.code != nil && k.stage == "" {
		k.stage = op
	}
}

// ask hands a command to the kernel's code.
func (p *Process) ask(op mprog.Op, cmd attr.Command, size uint32, arrays *[4][]uint32) (int64, error) {
	k := p.kernel
	if k.breach != nil {
		return 0, k.breach
	}
	k.asked = true
	if p.asking == nil {
		p.asking = p.codeFile
	}
	by := CodeCaller{Netns: p.net.number, Caps: uint64(p.caps), NextFD: p.lastFD + 1, File: p.asking}
	answer, gone, err := k.code.Command(cmd, size, by, arrays)
	k.forget(gone)
	k.lastLinkID = k.code.LastLink()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", op, err)
	}
	if answer < 0 {
		return answer, refuse(&RuleInfo{ID: byCode, Errno: mprog.Errno(-answer)}, "")
	}
	return answer, nil
}

// byCode is the rule of a refusal by the kernel's code, until it is told.
const byCode mprog.Rule = "code"

// ask0 is ask for commands that answer nothing but 0.
func (p *Process) ask0(op mprog.Op, cmd attr.Command, size uint32) error {
	return nothing(op)(p.ask(op, cmd, size, nil))
}

// nothing checks that an answer is 0.
func nothing(op mprog.Op) func(int64, error) error {
	return func(answer int64, err error) error {
		if err == nil && answer != 0 {
			err = fmt.Errorf("%s: the kernel's code returns %d, not 0: %w", op, answer, fs.ErrInvalid)
		}
		return err
	}
}

// codeFile tells what is behind an fd.
func (p *Process) codeFile(fd uint32) CodeObject {
	switch f := p.files[fd].(type) {
	case nil:
		return CodeObject{}
	case *program:
		return CodeObject{CodeProg, f.id}
	case *link:
		return CodeObject{CodeLink, f.id}
	}
	return CodeObject{Kind: CodeOther}
}

// forget takes away what the kernel's code has let go of.
func (k *Kernel) forget(gone []CodeObject) {
	for _, g := range gone {
		if g.Kind == CodeProg {
			delete(k.progs, g.ID)
		} else {
			delete(k.links, g.ID)
		}
	}
}

// put lets go of a file's last reference, to a program or a link.
func (k *Kernel) put(put func(uint32) ([]CodeObject, error), id uint32) {
	gone, err := put(id)
	k.forget(gone)
	k.broken(err)
}

// broken keeps the first error of what cannot return one: the next command returns it.
func (k *Kernel) broken(err error) {
	if k.breach == nil {
		k.breach = err
	}
}

// askQuery is ask for BPF_PROG_QUERY.
func (p *Process) askQuery(r *mprog.QueryRequest) (res mprog.QueryResult, err error) {
	at := attr.Arrays{
		ProgIDs: addressOf(r.ProgIDs, CodeArray), ProgAttachFlags: addressOf(r.ProgAttachFlags, CodeArray+CodeArrayStep),
		LinkIDs: addressOf(r.LinkIDs, CodeArray+2*CodeArrayStep), LinkAttachFlags: addressOf(r.LinkAttachFlags, CodeArray+3*CodeArrayStep),
	}
	b := p.kernel.code.Attr()
	size := attr.EncodeQuery(b, *r, at)
	err = nothing(mprog.OpProgQuery)(p.ask(mprog.OpProgQuery, attr.ProgQuery, size,
		&[4][]uint32{r.ProgIDs, r.ProgAttachFlags, r.LinkIDs, r.LinkAttachFlags}))
	if errno, ok := mprog.ErrnoOf(err); !ok || errno != 0 && errno != mprog.ENOSPC && errno != mprog.EFAULT {
		return res, err
	}
	return attr.DecodeQueryResult(b[:]), err
}

// Where the arrays of a query are, for the kernel's code. No part of an address is zero,
// so that one handed over in part is no null pointer.
const (
	CodeArray     = 0x7f31_0101_0101_0110
	CodeArrayStep = 0x0000_0100_0000_0000
)

// askCommand is ask for any command: the fake answers where the code leads nowhere.
func (p *Process) askCommand(r mprog.CommandRequest, otherwise func() error) error {
	size := attr.EncodeCommand(p.kernel.code.Attr(), r)
	_, err := p.ask(mprog.OpCommand, attr.Command(r.Command), size, nil)
	if _, answered := mprog.ErrnoOf(err); answered {
		return err
	}
	p.kernel.staged(mprog.OpCommand)
	return otherwise()
}

// askLink is ask for BPF_LINK_CREATE, and opens the link.
func (p *Process) askLink(r mprog.LinkCreateRequest) (uint32, error) {
	fd, err := p.ask(mprog.OpLinkCreate, attr.LinkCreate, attr.EncodeLinkCreate(p.kernel.code.Attr(), r), nil)
	if err != nil {
		return 0, err
	}
	of := p.kernel.code.Installed()
	l := &link{kernel: p.kernel, refs: 1, id: of.ID, settled: true, at: r.AttachType}
	if of.Kind != CodeLink {
		return 0, fmt.Errorf("%s: the kernel's code has installed no link: %w", mprog.OpLinkCreate, fs.ErrInvalid)
	}
	p.kernel.links[l.id] = l
	return p.installed(mprog.OpLinkCreate, l, fd)
}

// installed opens what the kernel's code has opened as fd.
func (p *Process) installed(op mprog.Op, f file, fd int64) (uint32, error) {
	if got := p.open(f); int64(got) != fd {
		return 0, fmt.Errorf("%s: the kernel's code returns fd %d, not %d: %w", op, fd, got, fs.ErrInvalid)
	}
	return uint32(fd), nil
}

// askFD is ask for commands that open an object by its id. All fds of an object are one
// reference to the kernel's code.
func (p *Process) askFD(op mprog.Op, cmd attr.Command, r mprog.IDRequest) (uint32, error) {
	fd, err := p.ask(op, cmd, attr.EncodeFDByID(p.kernel.code.Attr(), r), nil)
	if err != nil {
		return 0, err
	}
	var f file
	switch of := p.kernel.code.Installed(); of.Kind {
	case CodeProg:
		prog := p.kernel.progs[of.ID]
		f = prog
		if prog.refs++; prog.refs > 1 {
			p.kernel.put(p.kernel.code.PutProg, of.ID)
		}
	case CodeLink:
		l := p.kernel.links[of.ID]
		l.refs++
		f = l
		p.kernel.put(p.kernel.code.PutLink, of.ID)
	default:
		return 0, fmt.Errorf("%s: the kernel's code has installed nothing: %w", op, fs.ErrInvalid)
	}
	return p.installed(op, f, fd)
}

// askNext is ask for commands that find the next id.
func (p *Process) askNext(op mprog.Op, cmd attr.Command, r mprog.IDRequest) (uint32, error) {
	b := p.kernel.code.Attr()
	if err := p.ask0(op, cmd, attr.EncodeNextID(b, r)); err != nil {
		return 0, err
	}
	return attr.DecodeNextIDResult(b[:8]), nil
}

// stageDevices tells the kernel's code of a device and its peer.
func (k *Kernel) stageDevices(a, b *device) error {
	if k.code == nil {
		return nil
	}
	for _, d := range []*device{a, b} {
		if d == nil {
			continue
		}
		var err error
		if d.number, err = k.code.NewDevice(d.net.number, d.ifindex, d.kind == mprog.Netkit, d.primary, d.single); err != nil {
			return err
		}
	}
	if b != nil && a.kind == mprog.Netkit {
		k.code.PairDevices(a.number, b.number)
	}
	return nil
}

// unstage takes a device and its peer away from the kernel's code.
func (k *Kernel) unstage(d *device) {
	if k.code == nil {
		return
	}
	for _, d := range []*device{d, d.peer} {
		if d == nil || d.number == 0 {
			continue
		}
		gone, err := k.code.DeleteDevice(d.number)
		k.forget(gone)
		k.broken(err)
		d.number = 0
		if d.kind == mprog.Netkit && d.peer != nil { // which the kernel's code has deleted, too
			d.peer.number = 0
		}
	}
}

// showHooks has the devices' hooks show what the kernel's code runs there, until hide.
func (k *Kernel) showHooks(devices ...*device) (hide func()) {
	if k.code == nil {
		return func() {}
	}
	k.staged(mprog.OpTransmit)
	var shown []*hook
	show := func(d *device, h *hook, at mprog.AttachType) {
		*h = hook{}
		shown = append(shown, h)
		for _, id := range k.code.Programs(d.number, at) {
			if prog := k.progs[id]; prog != nil && h.count < len(h.entries) {
				h.entries[h.count] = entry{prog: prog}
				h.count++
			}
		}
	}
	for _, d := range devices {
		show(d, &d.netkit, mprog.NetkitPrimary)
		show(d, &d.tcx[0], mprog.TCXIngress)
		show(d, &d.tcx[1], mprog.TCXEgress)
	}
	return func() {
		for _, h := range shown {
			*h = hook{}
		}
	}
}
