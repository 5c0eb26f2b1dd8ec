package fake

import (
	"github.com/nkconform/nkconform/mprog"
)

// cgroup is the kernel's struct cgroup, with the hooks on it (struct cgroup_bpf). An fd
// of its folder holds nothing that is simulated.
type cgroup struct {
	id       uint64
	name     string
	parent   *cgroup // nil: the one that everything begins in
	children map[string]*cgroup
	members  int // processes that are in it
	removed  bool
	hooks    map[mprog.AttachType]*cgroupHook
}

func (*cgroup) put() {}

// newCgroup makes a cgroup in another.
func (k *Kernel) newCgroup(name string, parent *cgroup) *cgroup {
	k.lastCgroupID++
	g := &cgroup{id: k.lastCgroupID, name: name, parent: parent, children: map[string]*cgroup{}, hooks: map[mprog.AttachType]*cgroupHook{}}
	if parent != nil {
		parent.children[name] = g
	}
	return g
}

var (
	_ mprog.Cgroups      = (*Kernel)(nil)
	_ mprog.CgroupMember = (*Process)(nil)
)

// madeCgroup is the answer of NewCgroup.
type madeCgroup struct {
	FD uint32
	ID uint64
}

// NewCgroup makes a cgroup and opens it. It fails with
//   - EBADF when the parent's fd is not of a cgroup, ENOENT when that has been removed;
//   - EEXIST when the parent has a cgroup of that name.
func (k *Kernel) NewCgroup(spec mprog.CgroupSpec) (fd uint32, id uint64, err error) {
	m, err := do(k.Process, mprog.OpNewCgroup, spec, (*Process).makeCgroup)
	return m.FD, m.ID, err
}

// makeCgroup is cgroup_mkdir.
func (p *Process) makeCgroup(spec mprog.CgroupSpec) (made madeCgroup, err error) {
	k := p.kernel
	if k.missing[mprog.FeatureCgroup] {
		return made, k.Supports(mprog.FeatureCgroup)
	}
	if k.kept {
		return made, errKept(mprog.OpNewCgroup)
	}
	parent := k.topCgroup
	if spec.Parent != 0 {
		if parent, err = p.cgroupByFD(spec.Parent); err != nil {
			return made, err
		}
	}
	if parent.children[spec.Name] != nil {
		return made, refuse(cgroupTaken, "name %q", spec.Name)
	}
	g := k.newCgroup(spec.Name, parent)
	return madeCgroup{p.open(g), g.id}, nil
}

// RemoveCgroup removes a cgroup: EBADF when the fd is not of one, ENOENT when it has been
// removed, EBUSY when a cgroup or a process is in it. What is attached to it goes, and
// links are left defunct.
func (k *Kernel) RemoveCgroup(fd uint32) error {
	return do0(k.Process, mprog.OpRemoveCgroup, fd, (*Process).removeCgroup)
}

// removeCgroup is cgroup_rmdir, with cgroup_bpf_release.
func (p *Process) removeCgroup(fd uint32) error {
	g, err := p.cgroupByFD(fd)
	switch {
	case err != nil:
		return err
	case len(g.children) > 0:
		return refuse(cgroupHasChildren, "cgroup %s has %d in it", g.name, len(g.children))
	case g.members > 0:
		return refuse(cgroupHasProcesses, "cgroup %s has %d", g.name, g.members)
	}
	g.removed = true
	delete(g.parent.children, g.name)
	for _, h := range g.hooks {
		for _, e := range h.list {
			if e.link != nil {
				e.link.cgroup = nil
			} else {
				e.prog.put()
			}
		}
		h.list = nil
	}
	return nil
}

// EnterCgroup moves the process to a cgroup: EBADF when the fd is not open, ENOTDIR when
// it is of no folder, ENOENT when the cgroup has been removed.
func (p *Process) EnterCgroup(fd uint32) error {
	return do0(p, mprog.OpEnterCgroup, fd, (*Process).enterCgroup)
}

// enterCgroup is cgroup_attach_task.
func (p *Process) enterCgroup(fd uint32) error {
	switch f := p.files[fd].(type) {
	case nil:
		return refuse(cgroupEnterBadFD, "fd %d is not open", fd)
	case *cgroup:
		if f.removed {
			return refuse(cgroupRemoved, "cgroup %s has been removed", f.name)
		}
		p.cgroup.members--
		f.members++
		p.cgroup = f
		return nil
	}
	return refuse(cgroupEnterNotFolder, "fd %d is of no cgroup", fd)
}

// DatagramRequest is what [Kernel.SendDatagram] is asked for.
type DatagramRequest struct{ From, To *Process }

// SendDatagram sends a datagram from one process to another over lo. Every program of the
// sender's egress runs, and if all let it pass every one of the receiver's ingress.
// Processes of two network namespaces are unsupported.
func (k *Kernel) SendDatagram(from, to mprog.Process) (d mprog.Delivery, err error) {
	r := DatagramRequest{k.member(from), k.member(to)}
	if r.From == nil || r.To == nil || r.From.net != r.To.net || r.From.net != k.namespaces[0] {
		return d, unsupportedDatagram()
	}
	return do(k.Process, mprog.OpSendDatagram, r, (*Process).sendDatagram)
}

// member returns the process behind an interface, the first one for nil, or nil for one
// that is not the kernel's.
func (k *Kernel) member(p mprog.Process) *Process {
	if p == nil {
		return k.Process
	}
	own, _ := p.(*Process)
	return own
}

// sendDatagram is __cgroup_bpf_run_filter_skb, on both ways. The lowest bit of what a
// program returns is its verdict; none keeps another from running.
func (p *Process) sendDatagram(r DatagramRequest) (d mprog.Delivery, err error) {
	d.Delivered = true
	for _, side := range []struct {
		in *cgroup
		at mprog.AttachType
	}{{r.From.cgroup, mprog.CgroupInetEgress}, {r.To.cgroup, mprog.CgroupInetIngress}} {
		for _, e := range side.in.effective(side.at) {
			d.Ran = append(d.Ran, e.prog.id)
			d.Delivered = d.Delivered && e.prog.ret&1 != 0
		}
		if !d.Delivered {
			break
		}
	}
	return d, nil
}
