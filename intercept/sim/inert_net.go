package sim

import (
	"fmt"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// attached is a program that is attached without a link.
type attached struct {
	prog *program
	held uint32 // the holder's fd
}

func (s *Sim) attach(o *Object, p *program) *attached {
	held, _ := s.holder.Keep(s.holder, o.held)
	return &attached{p, held}
}

func (s *Sim) drop(a *attached) {
	if a == nil {
		return
	}
	_ = s.holder.Close(a.held)
	s.sweep()
}

// placeKey is where such a program is: in a network namespace, or at a map.
type placeKey struct {
	netns uint64
	m     *bpfMap
	at    mprog.AttachType
}

// hookPlace holds what is attached there.
type hookPlace struct {
	program *attached
	links   []*inertLink
}

func (s *Sim) placeAt(key placeKey) *hookPlace {
	if s.places == nil {
		s.places = make(map[placeKey]*hookPlace)
	}
	p := s.places[key]
	if p == nil {
		p = new(hookPlace)
		s.places[key] = p
	}
	return p
}

func (p *hookPlace) leave(l *inertLink) {
	for i, each := range p.links {
		if each == l {
			p.links = append(p.links[:i:i], p.links[i+1:]...)
			return
		}
	}
}

// netns finds the network namespace that an fd refers to (get_net_ns_by_fd).
func (k *call) netns(fd uint32) (uint64, error) {
	t, open := k.caller.Target(fd)
	switch {
	case !open:
		return 0, refuse("netns/bad-fd", mprog.EBADF, "target_fd %d is not open", int32(fd))
	case t.Kind != NetnsTarget:
		return 0, refuse("netns/not-a-namespace", mprog.EINVAL, "target_fd %d is no network namespace", fd)
	}
	return t.ID, nil
}

// mostLookups is MAX_NETNS_... : how many sk_lookup programs a namespace has.
const mostLookups = 64

// linkNetns is netns_bpf_link_create.
func (k *call) linkNetns(o *Object, p *program, r mprog.LinkCreateRequest) error {
	if r.Flags != 0 {
		return refuse("netns/flags", mprog.EINVAL, "flags %s", r.Flags)
	}
	ino, err := k.netns(k.u32(4))
	if err != nil {
		return err
	}
	at := k.placeAt(placeKey{netns: ino, at: r.AttachType})
	most := 1
	if r.AttachType == skLookup {
		most = mostLookups
	}
	if len(at.links) >= most {
		return refuse("netns/full", mprog.E2BIG, "%d links are there", most)
	}
	if at.program != nil {
		return refuse("netns/attached", mprog.EEXIST, "a program is attached without a link")
	}
	l := &inertLink{kind: netnsLink, what: fmt.Sprintf("%s/netns:[%d]", attachName(r.AttachType), ino)}
	l.detach = func() { at.leave(l) }
	l.info = func(_ *call, _, out []byte) error {
		if l.detach != nil {
			native.PutUint32(out[16:], uint32(ino))
		}
		native.PutUint32(out[20:], uint32(r.AttachType))
		return nil
	}
	l.update = func(_ *call, to, old *program) error {
		if err := l.oldProgram(old); err != nil {
			return err
		}
		if to.typ != l.prog.typ {
			return refuse("update/type", mprog.EINVAL, "program id %d has type %d, the link's %d", to.id, to.typ, l.prog.typ)
		}
		if l.detach == nil {
			return refuse("update/defunct", mprog.ENOLINK, "link id %d is defunct", l.id)
		}
		return nil
	}
	if err := k.addInert(l, o, p); err != nil {
		return err
	}
	at.links = append(at.links, l)
	return nil
}

// sockmapOf finds the map that programs for its sockets are attached to.
func (k *call) sockmapOf(fd uint32) (*bpfMap, error) {
	m, err := k.mapByFD("target_fd", fd)
	if err != nil {
		return nil, err
	}
	if m.typ != sockMap && m.typ != sockHash {
		return nil, refuse("sockmap/type", mprog.EOPNOTSUPP, "a map of type %d takes no programs", m.typ)
	}
	return m, nil
}

// linkSockmap is sock_map_link_create.
func (k *call) linkSockmap(o *Object, p *program, r mprog.LinkCreateRequest) error {
	if k.kernel.Running().Before(sockmapLinks) {
		return refuse("attach-type/mismatch", mprog.EINVAL, "this kernel has no links at maps")
	}
	if r.Flags != 0 {
		return refuse("sockmap/flags", mprog.EINVAL, "flags %s", r.Flags)
	}
	m, err := k.mapByFD("target_fd", k.u32(4))
	if err != nil {
		return err
	}
	if m.typ != sockMap && m.typ != sockHash {
		return refuse("sockmap/type", mprog.EINVAL, "a map of type %d takes no programs", m.typ)
	}
	at := k.placeAt(placeKey{m: m, at: r.AttachType})
	if at.program != nil || len(at.links) > 0 {
		return refuse("sockmap/attached", mprog.EBUSY, "a program is attached already")
	}
	m.refs++
	l := &inertLink{kind: sockmapLink, what: fmt.Sprintf("%s/map %d", attachName(r.AttachType), m.id)}
	l.detach = func() { at.leave(l); k.Sim.putMap(m) }
	l.info = func(_ *call, _, out []byte) error {
		if l.detach != nil {
			native.PutUint32(out[16:], m.id)
		}
		native.PutUint32(out[20:], uint32(r.AttachType))
		return nil
	}
	l.update = func(_ *call, to, old *program) error {
		if err := l.oldProgram(old); err != nil {
			return err
		}
		if to.typ != l.prog.typ || to.attach != l.prog.attach {
			return refuse("update/type", mprog.EINVAL, "program id %d is of another type", to.id)
		}
		if l.detach == nil {
			return refuse("update/defunct", mprog.ENOLINK, "link id %d is defunct", l.id)
		}
		return nil
	}
	if err := k.addInert(l, o, p); err != nil {
		m.refs--
		return err
	}
	at.links = append(at.links, l)
	return nil
}

// linkNetfilter is bpf_nf_link_attach.
func (k *call) linkNetfilter(o *Object, p *program, r mprog.LinkCreateRequest) error {
	const ipv4, ipv6, defragment = 2, 10, 1 // NFPROTO_IPV4, NFPROTO_IPV6, BPF_F_NETFILTER_IP_DEFRAG
	pf, hook, priority, flags := k.u32(16), k.u32(20), int32(k.u32(24)), k.u32(28)
	const first, last = -1 << 31, 1<<31 - 1 // NF_IP_PRI_FIRST, NF_IP_PRI_LAST
	const afterDefragment = -400            // NF_IP_PRI_CONNTRACK_DEFRAG
	switch {
	case r.Flags != 0:
		return refuse("netfilter/flags", mprog.EINVAL, "flags %s", r.Flags)
	case pf != ipv4 && pf != ipv6:
		return refuse("netfilter/family", mprog.EAFNOSUPPORT, "protocol family %d", pf)
	case hook >= 5:
		return refuse("netfilter/hook", mprog.EPROTO, "hook %d", hook)
	case flags&^defragment != 0:
		return refuse("netfilter/flags", mprog.EOPNOTSUPP, "netfilter.flags %#x", flags)
	case priority == first, priority == last:
		return refuse("netfilter/priority", mprog.ERANGE, "priority %d", priority)
	case flags&defragment != 0 && priority <= afterDefragment:
		return refuse("netfilter/priority", mprog.ERANGE, "priority %d is in front of what makes fragments whole", priority)
	}
	netns := k.caller.Netns()
	at := k.placeAt(placeKey{netns: netns, at: attachNetfilter})
	for _, other := range at.links {
		if other.filter == [3]int64{int64(pf), int64(hook), int64(priority)} {
			return refuse("netfilter/busy", mprog.EBUSY, "another program has priority %d", priority)
		}
	}
	family := map[uint32]string{ipv4: "ipv4", ipv6: "ipv6"}[pf]
	names := [...]string{"prerouting", "input", "forward", "output", "postrouting"}
	l := &inertLink{kind: netfilterLink, what: fmt.Sprintf("netfilter/%s:%s", family, names[hook])}
	l.filter = [3]int64{int64(pf), int64(hook), int64(priority)}
	l.detach = func() { at.leave(l) }
	l.info = func(_ *call, _, out []byte) error {
		for i, v := range []uint32{pf, hook, uint32(priority), flags} {
			native.PutUint32(out[16+4*i:], v)
		}
		return nil
	}
	l.update = func(*call, *program, *program) error {
		return refuse("netfilter/update", mprog.EOPNOTSUPP, "such a link takes no other program")
	}
	if err := k.addInert(l, o, p); err != nil {
		return err
	}
	at.links = append(at.links, l)
	return nil
}

// attachPlace is BPF_PROG_ATTACH of programs for a network namespace or a map.
func (k *call) attachPlace(o *Object, p *program, r mprog.AttachRequest) error {
	if r.AttachType == flowDissector {
		if r.TargetIfindex != 0 || r.Flags != 0 || r.ReplaceFD != 0 {
			return refuse("netns/attach", mprog.EINVAL, "target_fd %d, flags %s, replace_bpf_fd %d", r.TargetIfindex, r.Flags, r.ReplaceFD)
		}
		at := k.placeAt(placeKey{netns: k.caller.Netns(), at: flowDissector})
		switch {
		case len(at.links) > 0:
			return refuse("netns/attached", mprog.EEXIST, "a link is there")
		case at.program != nil && at.program.prog == p:
			return refuse("netns/same", mprog.EINVAL, "the program is attached already")
		}
		k.drop(at.program)
		at.program = k.attach(o, p)
		k.neverRuns(fmt.Sprintf("flow_dissector/netns:[%d]", k.caller.Netns()))
		return nil
	}
	if r.Flags != 0 || r.ReplaceFD != 0 {
		return refuse("sockmap/flags", mprog.EINVAL, "flags %s, replace_bpf_fd %d", r.Flags, r.ReplaceFD)
	}
	m, err := k.sockmapOf(r.TargetIfindex)
	if err != nil {
		return err
	}
	at := k.placeAt(placeKey{m: m, at: r.AttachType})
	if len(at.links) > 0 {
		return refuse("sockmap/attached", mprog.EBUSY, "a link is there")
	}
	k.drop(at.program)
	at.program = k.attach(o, p)
	k.neverRuns(fmt.Sprintf("%s/map %d", attachName(r.AttachType), m.id))
	return nil
}

// detachPlace is BPF_PROG_DETACH of what attachPlace attaches.
func (k *call) detachPlace(r mprog.DetachRequest) error {
	key := placeKey{netns: k.caller.Netns(), at: r.AttachType}
	if r.AttachType == flowDissector && r.TargetIfindex != 0 {
		return refuse("netns/detach", mprog.EINVAL, "target_fd %d", r.TargetIfindex)
	}
	if r.AttachType != flowDissector {
		m, err := k.sockmapOf(r.TargetIfindex)
		if err != nil {
			return err
		}
		key = placeKey{m: m, at: r.AttachType}
	}
	_, p, err := k.progByFD("attach_bpf_fd", r.AttachFD)
	if err != nil {
		return err
	}
	at := k.placeAt(key)
	switch {
	case at.program == nil:
		return refuse("detach/none", mprog.ENOENT, "nothing is attached without a link")
	case at.program.prog != p:
		return refuse("detach/other", mprog.ENOENT, "another program is attached")
	}
	k.drop(at.program)
	at.program = nil
	return nil
}

// queryPlace is BPF_PROG_QUERY of a network namespace or a map.
func (k *call) queryPlace(r *mprog.QueryRequest, arrays attr.Arrays) error {
	if r.QueryFlags != 0 {
		return refuse("query/flags", mprog.EINVAL, "query_flags %#x", r.QueryFlags)
	}
	var key placeKey
	if r.AttachType == flowDissector || r.AttachType == skLookup {
		ino, err := k.netns(r.TargetIfindex)
		if err != nil {
			return err
		}
		key = placeKey{netns: ino, at: r.AttachType}
	} else {
		m, err := k.sockmapOf(r.TargetIfindex)
		if err != nil {
			return err
		}
		key = placeKey{m: m, at: r.AttachType}
	}
	var ids []uint32
	at := k.placeAt(key)
	if at.program != nil {
		ids = append(ids, at.program.prog.id)
	}
	for _, l := range at.links {
		ids = append(ids, l.prog.id)
	}
	return k.answerQuery(r, arrays, ids, nil, mprog.QueryResult{})
}

// answerQuery writes what a query finds, programs and the flags of each.
func (k *call) answerQuery(r *mprog.QueryRequest, arrays attr.Arrays, ids, flags []uint32, res mprog.QueryResult) error {
	res.Count = uint32(len(ids))
	copy(r.ProgIDs, ids)
	copy(r.ProgAttachFlags, flags)
	arrays.LinkIDs, arrays.LinkAttachFlags = 0, 0
	if err := k.writeQuery(r, arrays, res); err != nil {
		return err
	}
	if r.Count != 0 && arrays.ProgIDs != 0 && r.Count < res.Count {
		return refuse("query/no-space", mprog.ENOSPC, "room for %d of %d programs", r.Count, res.Count)
	}
	return nil
}
