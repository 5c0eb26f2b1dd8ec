package fake

import (
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// guestFD is the first fd that a guest gets by itself.
const guestFD = 1 << 30

// Guest starts a process whose open fds are decided by somebody else, with
// Install, under the numbers that a program outside of this kernel has for
// them. What the process opens itself gets numbers that such a program does not
// reach. It lives in the network namespace of another process, or if that is nil
// in a new one.
func (k *Kernel) Guest(neighbour *Process, without ...mprog.Capability) *Process {
	k.mu.Lock()
	defer k.mu.Unlock()
	var net *netns
	if neighbour != nil {
		net = neighbour.net
	} else {
		net = newNetns(0)
	}
	p := k.newProcess(net, allCapabilities.without(without))
	p.lastFD = guestFD
	clear(p.files)
	return p
}

// Keeper starts a process of which nobody is told, for who holds references in
// the place of a program outside. It lives where the first process does, and fds
// 0, 1 and 2 are open in it.
func (k *Kernel) Keeper() *Process {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.newProcess(k.namespaces[0], allCapabilities)
	p.unseen = true
	k.kept = true
	return p
}

// Devices reports whether there are devices besides lo.
func (k *Kernel) Devices() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.namespaces[0].devices) > 1
}

// Watched reports whether calls of processes are watched or interfered with.
func (k *Kernel) Watched() bool { return k.watch.Load() != nil }

// Install makes fd of the process refer to what held refers to in another
// process of the same kernel, as pidfd_getfd(2) and dup2(2) would. It reports
// whether held is open; fd stays as it was if not.
func (p *Process) Install(fd uint32, from *Process, held uint32) bool {
	p.kernel.mu.Lock()
	defer p.kernel.mu.Unlock()
	f := from.files[held]
	if f == nil {
		return false
	}
	switch f := f.(type) {
	case *program:
		f.refs++
	case *link:
		f.refs++
	}
	if old := p.files[fd]; old != nil {
		old.put()
	}
	p.files[fd] = f
	return true
}

// Keep gives the process another fd of what held refers to in another process.
func (p *Process) Keep(from *Process, held uint32) (fd uint32, ok bool) {
	p.kernel.mu.Lock()
	p.lastFD++
	fd = p.lastFD
	p.kernel.mu.Unlock()
	return fd, p.Install(fd, from, held)
}

// HookOf returns the hook that an fd's link was attached to, as requests name it;
// none when the device is gone.
func (p *Process) HookOf(fd uint32) mprog.Hook {
	p.kernel.mu.Lock()
	defer p.kernel.mu.Unlock()
	return p.hookOf(fd)
}

// LoadAny is [Kernel.LoadProg] for a program of any type and any name.
func (p *Process) LoadAny(spec mprog.ProgSpec) (fd uint32) {
	p.kernel.mu.Lock()
	defer p.kernel.mu.Unlock()
	return p.open(p.newProg(spec))
}

// HasProg reports whether a program has the id.
func (k *Kernel) HasProg(id uint32) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.progs[id] != nil
}

// HasLink reports whether a link has the id.
func (k *Kernel) HasLink(id uint32) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.links[id] != nil
}

// Layout tells what the release makes of a command's number, where its bpf_attr
// ends, and where the command's last field does. Known is false for a number that
// no command has.
func (k *Kernel) Layout(number uint32) (command, attrEnd, lastField uint32, known bool) {
	cmd := attr.Command(number)
	if k.release.commonAttrs {
		cmd &^= commonAttrs
	}
	lastField, known = k.release.lastField(cmd)
	return uint32(cmd), k.release.attrSize, lastField, known
}
