package fake

import "github.com/nkconform/nkconform/mprog"

// LinkAny makes a link of a kind that is not modelled, of the program that prog
// refers to: it has an id and an fd, holds its program and ends with its last
// reference, and is at no hook. It reports whether prog is a program's fd.
func (p *Process) LinkAny(prog uint32, kind mprog.LinkType) (fd uint32, ok bool) {
	p.kernel.mu.Lock()
	defer p.kernel.mu.Unlock()
	f, ok := p.files[prog].(*program)
	if !ok {
		return 0, false
	}
	l := p.kernel.newLink(f, nil, 0)
	l.other, l.settled = kind, true
	return p.open(l), true
}

// UseID uses an id of links up, as a link does that is refused when it has one.
func (k *Kernel) UseID() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lastLinkID++
}

// Relink gives a link of [Process.LinkAny] another program. It reports whether
// both fds are of such.
func (p *Process) Relink(fd, prog uint32) bool {
	p.kernel.mu.Lock()
	defer p.kernel.mu.Unlock()
	l, isLink := p.files[fd].(*link)
	f, isProg := p.files[prog].(*program)
	if !isLink || !isProg || l.other == 0 {
		return false
	}
	l.prog.put()
	l.prog = f.get()
	return true
}
