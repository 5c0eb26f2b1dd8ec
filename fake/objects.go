package fake

import "github.com/nkconform/nkconform/mprog"

// file is what an fd refers to: a program, a link, or something that is no BPF
// object. Each fd holds a reference.
type file interface{ put() }

// hold takes another reference.
func hold(f file) file {
	switch f := f.(type) {
	case *program:
		f.refs++
	case *link:
		f.refs++
	}
	return f
}

// notBPF is behind fds 0, 1 and 2.
type notBPF struct{}

func (notBPF) put() {}

// program is the kernel's struct bpf_prog. References are held by its fds and
// pins, by each hook that it is attached to without a link, and by its links.
type program struct {
	kernel   *Kernel
	refs     int
	id       uint32
	typ      mprog.ProgType
	name     string
	ret      int32
	expected mprog.AttachType // expected_attach_type

	labelled string // in traces
}

// newProg makes a program with one reference, the caller's (bpf_prog_load,
// bpf_prog_alloc_id).
func (p *Process) newProg(spec mprog.ProgSpec) *program {
	k := p.kernel
	prog := &program{kernel: k, refs: 1, id: p.ids.next(&p.ids.progs, &k.lastProgID), typ: spec.Type, name: spec.Name, ret: spec.Return, expected: spec.Expected}
	if p.ids.base == 0 {
		prog.labelled = k.names.claim(spec.Name, "p"+decimal(prog.id))
	} else if prog.labelled = spec.Name; spec.Name == "" {
		prog.labelled = "p" + decimal(prog.id)
	}
	k.progs[prog.id] = prog
	return prog
}

func (p *program) get() *program {
	if p.refs == 0 && p.kernel.code != nil {
		p.kernel.code.HoldProg(p.id)
	}
	p.refs++
	return p
}

// put lets go of a reference; with the last one the id goes (bpf_prog_put).
func (p *program) put() {
	if p.refs--; p.refs > 0 {
		return
	}
	if c := p.kernel.code; c != nil {
		p.kernel.put(c.PutProg, p.id)
		return
	}
	delete(p.kernel.progs, p.id)
}

// link is the kernel's struct bpf_link inside struct netkit_link or tcx_link.
// References are held by its fds and pins. It holds one on its program all its life; its
// entry on the hook holds none on either.
type link struct {
	kernel  *Kernel
	refs    int
	id      uint32
	settled bool // known to user space: bpf_link_settle
	prog    *program
	at      mprog.AttachType
	dev     *device        // the device that has the hook; nil: defunct
	cgroup  *cgroup        // or the cgroup that has it
	other   mprog.LinkType // of a kind that is not modelled: at no hook

	labelled string // in traces; empty: not yet
}

// newLink makes a link with one reference, the caller's. It has its id, but is
// not settled (bpf_link_init, bpf_link_prime). An id is used up even when
// attaching then fails.
func (p *Process) newLink(prog *program, dev *device, at mprog.AttachType) *link {
	k := p.kernel
	l := &link{kernel: k, refs: 1, id: p.ids.next(&p.ids.links, &k.lastLinkID), prog: prog.get(), at: at, dev: dev}
	k.links[l.id] = l
	return l
}

func (l *link) get() *link {
	l.refs++
	return l
}

// put lets go of a reference; with the last one the link leaves its hook and
// its id goes (bpf_link_put, bpf_link_free).
func (l *link) put() {
	if l.refs--; l.refs > 0 {
		return
	}
	if c := l.kernel.code; c != nil {
		l.kernel.put(c.PutLink, l.id)
		return
	}
	l.release()
	l.prog.put()
	delete(l.kernel.links, l.id)
}

// defunct reports whether a link is at no hook any more.
func (l *link) defunct() bool { return l.dev == nil && l.cgroup == nil }

// idOr0 returns the id of a link, and 0 for no link.
func (l *link) idOr0() uint32 {
	if l == nil {
		return 0
	}
	return l.id
}

// release takes the link off its hook and leaves it defunct. A defunct link
// stays as it is (netkit_link_release, tcx_link_release, bpf_cgroup_link_release).
func (l *link) release() {
	if l.cgroup != nil {
		_ = (*Process)(nil).detachCgroup(l.cgroup.hook(l.at), nil, l, 0) // which it is on
		l.cgroup = nil
		return
	}
	if l.dev == nil {
		return
	}
	if l.at == mprog.XDPDevice {
		l.dev.dropXDP()
		return
	}
	// No position, revision or relative object is asked for, so that this
	// cannot be refused: a link with a device is on that device's hook.
	_ = l.dev.entry(l.at, true).detach(nil, change{prog: l.prog, link: l})
	l.dev = nil
}
