package fake

import (
	"fmt"
	"maps"
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// Process is a process on a [Kernel], as bpf(2) sees it: a table of fds, a
// network namespace and capabilities.
type Process struct {
	kernel *Kernel
	net    *netns
	caps   capabilities
	cgroup *cgroup

	*fdTable
	exited bool
	rival  bool // nothing is injected into its calls
	unseen bool // nobody is told of its calls
	number int  // of a process of a Remote kernel
	// around, if set, surrounds what Before and After do at its calls.
	around func(do func())
	// witness, if set, is told what becomes of its calls.
	witness func(*Call, Stage, any, error)
	thread  uint32                     // see Thread
	trail   *trail                     // of the call in hand; nil: nobody observes
	asking  func(fd uint32) CodeObject // codeFile, once it was asked for
}

// fdTable is what a process has open. Threads share it.
type fdTable struct {
	files  map[uint32]file // by fd
	lastFD uint32
	ids    ownIDs
}

var _ mprog.Process = (*Process)(nil)

// newProcess starts a process with the fds that every process has.
func (k *Kernel) newProcess(net *netns, caps capabilities) *Process {
	k.topCgroup.members++
	return &Process{
		kernel: k, net: net, caps: caps, cgroup: k.topCgroup,
		fdTable: &fdTable{files: map[uint32]file{0: notBPF{}, 1: notBPF{}, 2: notBPF{}}, lastFD: 2},
	}
}

// NewProcess starts a process, which gets every fd that the first process has
// open, under the same number. A network namespace that does not exist is
// EINVAL.
func (k *Kernel) NewProcess(spec mprog.ProcessSpec) (mprog.Process, error) {
	if r := k.kernel.remote(); r != nil {
		return k.newRemoteProcess(r, spec)
	}
	p, err := do(k.Process, mprog.OpNewProcess, spec, (*Process).fork)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Process) fork(spec mprog.ProcessSpec) (*Process, error) {
	k := p.kernel
	net, err := k.namespace(spec.Netns)
	if err != nil {
		return nil, err
	}
	return p.forkInto(net, spec.Without), nil
}

// forkInto starts a process with the fds of p.
func (p *Process) forkInto(net *netns, without []mprog.Capability) *Process {
	k := p.kernel
	child := k.newProcess(net, allCapabilities.without(without))
	child.cgroup.members--
	child.cgroup = p.cgroup
	child.cgroup.members++
	clear(child.files)
	for fd, f := range p.files {
		child.files[fd] = hold(f)
	}
	child.lastFD = p.lastFD
	k.children = append(k.children, child)
	return child
}

// Exit ends the process: its fds are closed, lowest first. It does not fail, but
// whatever the process is asked for afterwards wraps [fs.ErrClosed].
func (p *Process) Exit() error {
	return do0(p, mprog.OpExit, none{}, (*Process).exit)
}

func (p *Process) exit(none) error {
	p.exited = true
	p.cgroup.members--
	for _, fd := range slices.Sorted(maps.Keys(p.files)) {
		f := p.files[fd]
		delete(p.files, fd)
		f.put()
	}
	p.kernel.cleanUp(p.net)
	return nil
}

// open gives a file the next fd, and the caller's reference to that fd.
func (p *Process) open(f file) uint32 {
	p.lastFD++
	p.files[p.lastFD] = f
	return p.lastFD
}

// Close closes fd (close(2)), EBADF when it is not open.
func (p *Process) Close(fd uint32) error {
	return do0(p, mprog.OpClose, fd, (*Process).closeFD)
}

func (p *Process) closeFD(fd uint32) error {
	f := p.files[fd]
	if f == nil {
		return refuse(closeBadFD, "fd %d is not open", fd)
	}
	delete(p.files, fd)
	f.put()
	return nil
}

// Dup returns another fd of what fd refers to (dup(2)), EBADF when it is not
// open.
func (p *Process) Dup(fd uint32) (uint32, error) {
	return do(p, mprog.OpDup, fd, (*Process).dup)
}

func (p *Process) dup(fd uint32) (uint32, error) {
	f := p.files[fd]
	if f == nil {
		return 0, refuse(dupBadFD, "fd %d is not open", fd)
	}
	return p.open(hold(f)), nil
}

// progByFD finds the program behind an fd (bpf_prog_get). What is the bpf_attr
// field's name, for the reader of a refusal.
func (p *Process) progByFD(what string, fd uint32, bad, notProg *RuleInfo) (*program, error) {
	switch f := p.files[fd].(type) {
	case *program:
		p.passed(notProg, uint64(fd), uint64(f.id))
		return f, nil
	case nil:
		return nil, refuse(bad, "%s %d is not open", what, fd)
	default:
		return nil, refuse(notProg, "%s %d is %s, not a program", what, fd, describe(f))
	}
}

// linkByFD finds the link behind an fd (bpf_link_get_from_fd).
func (p *Process) linkByFD(what string, fd uint32, bad, notLink *RuleInfo) (*link, error) {
	switch f := p.files[fd].(type) {
	case *link:
		p.passed(notLink, uint64(fd), uint64(f.id))
		return f, nil
	case nil:
		return nil, refuse(bad, "%s %d is not open", what, fd)
	default:
		return nil, refuse(notLink, "%s %d is %s, not a link", what, fd, describe(f))
	}
}

// relativeProg finds a relative object that is a program (bpf_mprog_prog).
func (p *Process) relativeProg(fdOrID uint32, flags mprog.Flags) (entry, error) {
	if flags&mprog.ID == 0 {
		prog, err := p.progByFD("relative_fd", fdOrID, relativeBadFD, relativeNotProg)
		return entry{prog: prog}, err
	}
	prog := p.kernel.progs[fdOrID]
	if prog == nil {
		return entry{}, refuse(relativeProgID, "no program has id %d", fdOrID)
	}
	return entry{prog: prog}, nil
}

// relativeLink finds a relative object that is a link (bpf_mprog_link).
func (p *Process) relativeLink(fdOrID uint32, flags mprog.Flags) (entry, error) {
	var l *link
	var err error
	switch {
	case flags&mprog.ID != 0:
		if l, err = p.kernel.linkByID(fdOrID, relativeLinkID); err != nil {
			return entry{}, err
		}
	case fdOrID == 0:
		return entry{}, refuse(relativeLinkZero, "link asked for, relative_fd is 0")
	default:
		if l, err = p.linkByFD("relative_fd", fdOrID, relativeBadFD, relativeNotLink); err != nil {
			return entry{}, err
		}
	}
	return entry{l.prog, l}, nil
}

// describe names what is behind an fd.
func describe(f file) string {
	switch f := f.(type) {
	case *program:
		return fmt.Sprintf("program id %d", f.id)
	case *link:
		return fmt.Sprintf("link id %d", f.id)
	case *cgroup:
		return "cgroup " + f.name
	}
	return "no BPF object"
}
