package fake

import (
	"math/bits"

	"github.com/nkconform/nkconform/mprog"
)

// Hash is a number of the machine's state: of processes, devices, hooks, objects and
// pins, with every revision, id and fd. Machines of the same release and features whose hashes are equal answer alike
// from then on, but for hashes of 64 bits that happen to be equal. What a process that
// has exited had is no part of it.
func (k *Kernel) Hash() uint64 { return k.hash(false) }

// Shape is Hash without what counts up: revisions, ids and fds. Programs are told apart
// by their ids. Two states of the same shape look alike to whoever sends packets.
func (k *Kernel) Shape() uint64 { return k.hash(true) }

func (k *Kernel) hash(shape bool) uint64 {
	k = k.kernel
	k.mu.Lock()
	defer k.mu.Unlock()
	h := hasher{shape: shape}
	// Parts that have no order are added up.
	sum := mix(uint64(k.lastProgID), uint64(k.lastLinkID))
	if shape {
		sum = 0
	}
	for i, n := range k.namespaces {
		at := mix(1, uint64(i))
		if !shape {
			at = mix(at, uint64(n.lastIfindex))
		}
		sum += at
		for _, d := range n.devices {
			sum += mix(at, h.device(d))
		}
	}
	for path, f := range k.fs.pins {
		sum += mix(hashString(2, path), h.file(f))
	}
	if shape {
		return sum
	}
	for _, p := range k.progs {
		sum += mix(mix(3, uint64(p.id)), mix(mix(hashString(uint64(p.typ), p.name), uint64(uint32(p.ret))), uint64(p.expected)))
	}
	for _, l := range k.links {
		sum += mix(4, h.link(l))
	}
	sum += h.process(k, 0, k.Process)
	for i, p := range k.children {
		sum += h.process(k, i+1, p)
	}
	return mix(sum, 5)
}

type hasher struct{ shape bool }

// mix makes one number of two; the order matters.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0x9e3779b97f4a7c15, b^0xe7037ed1a0b428db)
	return hi ^ lo ^ bits.RotateLeft64(a, 23)
}

func hashString(seed uint64, s string) uint64 {
	for i := range len(s) {
		seed = (seed ^ uint64(s[i])) * 0x100000001b3
	}
	return mix(seed, uint64(len(s)))
}

// file tells what is behind an fd or a path.
func (h *hasher) file(f file) uint64 {
	switch f := f.(type) {
	case *program:
		return mix(6, uint64(f.id))
	case *link:
		if h.shape {
			return h.link(f)
		}
		return mix(7, uint64(f.id))
	}
	return 8
}

func (h *hasher) link(l *link) uint64 {
	sum := mix(uint64(l.prog.id), uint64(l.at))
	if !h.shape {
		sum = mix(mix(sum, uint64(l.id)), boolean(l.settled))
	}
	if l.dev != nil { // a device's name may be another namespace's, too
		sum = mix(mix(sum, uint64(l.dev.ifindex)), hashString(9, l.dev.name))
	}
	return sum
}

func (h *hasher) process(k *Kernel, number int, p *Process) uint64 {
	at := mix(10, uint64(number))
	if p.exited {
		return at
	}
	sum := mix(uint64(p.lastFD), uint64(p.caps))
	for i, n := range k.namespaces {
		if n == p.net {
			sum += uint64(i)
		}
	}
	if p.ids.base != 0 {
		sum += mix(mix(uint64(p.ids.base), uint64(p.ids.progs)), uint64(p.ids.links))
	}
	for fd, f := range p.files {
		sum += mix(mix(11, uint64(fd)), h.file(f))
	}
	return mix(at, sum)
}

func (h *hasher) device(d *device) uint64 {
	sum := mix(hashString(uint64(d.ifindex), d.name), hashString(0, string(d.kind)))
	sum = mix(sum, boolean(d.primary)|boolean(d.single)<<1|boolean(d.ingressQueue)<<2|uint64(d.policy)<<3)
	if d.peer != nil {
		sum = mix(sum, hashString(uint64(d.peer.ifindex), d.peer.name))
	}
	if d.kind == mprog.Netkit {
		sum = mix(sum, h.hook(&d.netkit, true))
	}
	for i := range d.tcx {
		at := mprog.TCXIngress + mprog.AttachType(i)
		sum = mix(sum, h.hook(&d.tcx[i], d.tcx[i].count > 0 || d.qdisc.keeps(at)))
	}
	if d.xdp.prog != nil {
		sum = mix(sum, mix(uint64(d.xdp.prog.id), uint64(d.xdp.mode)))
		if d.xdp.link != nil && !h.shape {
			sum = mix(sum, uint64(d.xdp.link.id))
		}
	}
	if d.qdisc != nil {
		sum = mix(sum, hashString(1, string(d.qdisc.kind)))
		for _, b := range d.qdisc.blocks {
			sum = mix(sum, b.hash())
		}
	}
	return sum
}

// hook tells the list, and the revision where it is remembered.
func (h *hasher) hook(list *hook, kept bool) uint64 {
	sum := uint64(list.count)
	if kept && !h.shape {
		sum = mix(sum, list.revision)
	}
	for _, e := range list.entries[:list.count] {
		owner := uint64(e.link.idOr0())
		if h.shape {
			owner = boolean(e.link != nil)
		}
		sum = mix(sum, mix(uint64(e.prog.id), owner))
	}
	return sum
}

func (b *block) hash() uint64 {
	sum := uint64(b.parent)
	for _, c := range b.chains {
		sum = mix(sum, uint64(c.index)<<1|boolean(c.stays))
		for _, pr := range c.priorities {
			sum = mix(sum, uint64(pr.number)<<16|uint64(pr.protocol))
			for _, f := range pr.filters {
				sum = mix(mix(sum, uint64(f.handle)<<32|uint64(f.prog.id)), uint64(f.flags)<<32|uint64(f.gen))
				sum = mix(sum, hashString(uint64(f.classID), f.name))
			}
		}
	}
	return sum
}

func boolean(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
