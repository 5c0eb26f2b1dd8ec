package sim

import (
	"fmt"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

var structOpsLink = linkKind{9, "struct_ops", true}

// linkStructOps is bpf_struct_ops_link_create.
func (k *call) linkStructOps() error {
	if k.kernel.Running().Before(fake.Version(6, 4)) {
		return refuse("attach-type/mismatch", mprog.EINVAL, "this kernel has no links of struct_ops")
	}
	if err := k.refusedKind("struct_ops"); err != nil {
		return err
	}
	if err := k.checkTail(28); err != nil {
		return err
	}
	m, err := k.mapByFD("map_fd", k.u32(0))
	if err != nil {
		return err
	}
	if err := m.readyToLink(); err != nil {
		return err
	}
	held := m.anyProgram()
	if held == nil {
		k.warn("a link of struct_ops without programs: not simulated: refused")
		return fmt.Errorf("link of struct_ops without programs: %w", mprog.ErrUnsupported)
	}
	if err := k.register(m, m.ops.content); err != nil {
		return err
	}
	l := &inertLink{kind: structOpsLink, what: m.opsWhat(m.ops.label(m.ops.content)), ops: m}
	l.detach = func() {
		delete(k.Sim.registered, l.ops)
		k.Sim.putMap(l.ops)
		l.ops = nil
	}
	l.info = func(_ *call, _, out []byte) error {
		if l.ops != nil {
			native.PutUint32(out[16:], l.ops.id)
		}
		return nil
	}
	m.refs++
	if err := k.addInert(l, held, nil); err != nil {
		l.detach()
		return err
	}
	return nil
}

// readyToLink is bpf_struct_ops_valid_to_reg.
func (m *bpfMap) readyToLink() error {
	if m.ops == nil || m.flags&ofLink == 0 || m.ops.state != opsReady {
		return refuse("struct-ops/ready", mprog.EINVAL, "map %d has no operations that are ready, for links", m.id)
	}
	return nil
}

// anyProgram returns one of the programs that the map holds.
func (m *bpfMap) anyProgram() *Object {
	for _, member := range m.ops.members {
		if e := m.elements.values[member.Name]; e != nil {
			return e.object
		}
	}
	return nil
}

// updateOpsLink is bpf_struct_ops_map_link_update: other operations of the same name.
func (k *call) updateOpsLink(l *inertLink, r mprog.LinkUpdateRequest) error {
	if err := k.checkTail(29); err != nil {
		return err
	}
	if r.Flags&^mprog.Replace != 0 {
		return refuse("update/flags", mprog.EINVAL, "flags %s", r.Flags)
	}
	next, err := k.mapByFD("new_map_fd", r.NewProgFD)
	if err != nil {
		return err
	}
	var old *bpfMap
	switch {
	case r.Flags&mprog.Replace != 0:
		if old, err = k.mapByFD("old_map_fd", r.OldProgFD); err != nil {
			return err
		}
	case r.OldProgFD != 0:
		return refuse("update/old-set", mprog.EINVAL, "old_map_fd is %d and replace not asked for", r.OldProgFD)
	}
	if err := next.readyToLink(); err != nil {
		return err
	}
	if l.ops == nil {
		return refuse("struct-ops/detached", mprog.ENOLINK, "the link is detached")
	}
	switch {
	case l.ops.ops.name != "tcp_congestion_ops":
		return refuse("struct-ops/update", mprog.EOPNOTSUPP, "%s cannot be exchanged", l.ops.ops.name)
	case old != nil && old != l.ops:
		return refuse("update/old-wrong", mprog.EPERM, "the old map given is id %d, the link's is id %d", old.id, l.ops.id)
	case next.ops.structure != l.ops.ops.structure:
		return refuse("struct-ops/update", mprog.EINVAL, "map %d is for something else", next.id)
	case next.ops.label(next.ops.content) != k.registered[l.ops]:
		return refuse("struct-ops/update", mprog.EINVAL, "map %d has another name", next.id)
	case next == l.ops:
		k.warn("an update of a link of struct_ops that exchanges nothing is not simulated: refused")
		return fmt.Errorf("map %d is the link's: %w", next.id, mprog.ErrUnsupported)
	}
	delete(k.registered, l.ops)
	k.Sim.putMap(l.ops)
	next.refs++
	l.ops = next
	k.registered[next] = next.ops.label(next.ops.content)
	return nil
}

// updateLink is link_update of an inert link.
func (k *call) updateLink(l *inertLink, o *Object, r mprog.LinkUpdateRequest) error {
	if l.kind == structOpsLink {
		return k.updateOpsLink(l, r)
	}
	return k.updateInert(l, o, r)
}

// opsFDInfo is bpf_struct_ops_map_link_show_fdinfo, behind what is said of every link.
func (l *inertLink) opsFDInfo() string {
	text := fmt.Sprintf("link_type:\t%s\nlink_id:\t%d\n", l.kind.name, l.id)
	if l.ops != nil {
		text += fmt.Sprintf("map_id:\t%d\n", l.ops.id)
	}
	return text
}
