package fake

import (
	"fmt"

	"github.com/nkconform/nkconform/mprog"
)

// Process is a process on a [Kernel], as bpf(2) sees it: a table of fds, a
// network namespace and capabilities.
type Process struct {
	kernel *Kernel
	net    *netns
	caps   capability

	files  map[uint32]file // by fd
	lastFD uint32
}

var _ mprog.Kernel = (*Process)(nil)

// capability is a set of capabilities.
type capability uint8

const (
	capNetAdmin capability = 1 << iota // CAP_NET_ADMIN
	capSysAdmin                        // CAP_SYS_ADMIN

	allCapabilities = capNetAdmin | capSysAdmin
)

// newProcess starts a process with the fds that every process has.
func (k *Kernel) newProcess(net *netns, caps capability) *Process {
	return &Process{
		kernel: k, net: net, caps: caps,
		files:  map[uint32]file{0: notBPF{}, 1: notBPF{}, 2: notBPF{}},
		lastFD: 2,
	}
}

// netAdmin reports whether the process may administer the network; who may do
// everything may that, too (bpf_net_capable).
func (p *Process) netAdmin() bool { return p.caps&(capNetAdmin|capSysAdmin) != 0 }

// open gives a file the next fd, and the caller's reference to that fd.
func (p *Process) open(f file) uint32 {
	p.lastFD++
	p.files[p.lastFD] = f
	return p.lastFD
}

// Close closes fd (close(2)), EBADF when it is not open.
func (p *Process) Close(fd uint32) error {
	p.kernel.mu.Lock()
	defer p.kernel.mu.Unlock()
	f := p.files[fd]
	if f == nil {
		return answer(mprog.OpClose, refuse(closeBadFD, "fd %d is not open", fd))
	}
	delete(p.files, fd)
	f.put()
	return nil
}

// progByFD finds the program behind an fd (bpf_prog_get). What is the bpf_attr
// field's name, for the reader of a refusal.
func (p *Process) progByFD(what string, fd uint32, bad, notProg *RuleInfo) (*program, error) {
	switch f := p.files[fd].(type) {
	case *program:
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
		if l = p.kernel.links[fdOrID]; l == nil {
			return entry{}, refuse(relativeLinkID, "no link has id %d", fdOrID)
		}
		if !l.settled {
			return entry{}, refuse(relativeUnsettled, "link id %d is the one being created", fdOrID)
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
	}
	return "no BPF object"
}
