package sim

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/nkconform/nkconform/intercept/layout"
	"github.com/nkconform/nkconform/mprog"
)

// operations are a map of type struct_ops: functions of the kernel's that programs are to
// stand for, such as those of a TCP congestion control or of a scheduler. They can be
// registered, and are never called.
type operations struct {
	name      string // of the structure, such as tcp_congestion_ops
	structure uint32 // its id
	value     uint32 // id of the structure around it, bpf_struct_ops_NAME
	data      uint32 // offset of the structure in there
	members   []layout.Member
	state     uint32
	content   []byte // as it was put there
}

// enum bpf_struct_ops_state.
const (
	opsInit = iota
	opsInUse
	opsLeaving
	opsReady
)

// The front of a map's value (struct bpf_struct_ops_common_value).
const (
	opsRefcount = 0
	opsState    = 4
)

// structOpsMap is bpf_struct_ops_map_alloc. Which structures can be implemented is told by
// the running kernel's types.
func (k *call) structOpsMap(m *bpfMap) error {
	id := m.vmlinux
	if m.flags&valueBTF != 0 {
		k.warn("struct_ops of modules: not simulated: refused")
		return refuse("map/struct-ops", mprog.ENOTSUPP, "types of a module")
	}
	ops, size, err := operationsOf(id)
	switch {
	case err != nil:
		return err
	case ops == nil:
		return refuse("map/struct-ops", mprog.ENOTSUPP, "btf_vmlinux_value_type_id %d is of no operations of the running kernel", id)
	case m.valueSize != size:
		return refuse("map/struct-ops", mprog.EINVAL, "value_size %d: the type has %d", m.valueSize, size)
	}
	m.ops = ops
	return nil
}

// operationsOf reads what a type is about, nil if it is none of operations.
func operationsOf(id uint32) (ops *operations, size uint32, err error) {
	types, err := layout.Running()
	if err != nil {
		return nil, 0, fmt.Errorf("struct_ops: %w: %w", err, mprog.ErrUnsupported)
	}
	name, size, members, ok := types.Members(id)
	inner, found := strings.CutPrefix(name, "bpf_struct_ops_")
	if !ok || !found || len(members) != 2 || members[0].Name != "common" || members[1].Name != "data" {
		return nil, 0, nil
	}
	ops = &operations{name: inner, structure: members[1].Type, value: id, data: members[1].Offset}
	_, _, ops.members, _ = types.Members(ops.structure)
	return ops, size, nil
}

// updateOps is bpf_struct_ops_map_update_elem.
func (k *call) updateOps(m *bpfMap, key, value []byte, flags uint64) error {
	o := m.ops
	switch {
	case flags != 0:
		return refuse("map/update-flags", mprog.EINVAL, "flags %#x", flags)
	case native.Uint32(key) != 0:
		return refuse("map/index", mprog.E2BIG, "index %d of 1", native.Uint32(key))
	case native.Uint32(value[opsRefcount:]) != 0 || native.Uint32(value[opsState:]) != 0:
		return refuse("struct-ops/value", mprog.EINVAL, "state and references are the kernel's")
	case o.state != opsInit:
		return refuse("struct-ops/busy", mprog.EBUSY, "the operations are there already")
	}
	programs := map[string]*Object{}
	for i, member := range o.members {
		field := value[o.data+member.Offset:][:member.Size]
		switch {
		case nonzero(field, 0, member.Size) == member.Size:
			continue
		case !member.Function && o.takes(member.Name):
			continue
		case !member.Function:
			return refuse("struct-ops/field", mprog.EINVAL, "%s of %s cannot be given", member.Name, o.name)
		}
		po, p, err := k.progByFD(member.Name, native.Uint32(field))
		if err != nil {
			return err
		}
		if p.typ != progStructOps || p.attachBTF != o.structure || p.attach != uint32(i) {
			return refuse("struct-ops/program", mprog.EINVAL, "program %d is not for %s of %s", p.id, member.Name, o.name)
		}
		programs[member.Name] = po
	}
	if err := o.validate(value, programs); err != nil {
		return err
	}
	state := uint32(opsReady)
	if m.flags&ofLink == 0 {
		if err := k.register(m, value); err != nil {
			return err
		}
		state = opsInUse
		m.refs++ // by what uses them
	}
	for name, po := range programs {
		m.elements.values[name] = &element{object: po.clone()}
	}
	o.state, o.content = state, bytes.Clone(value)
	return nil
}

// takes reports whether a field that is no function may be given (init_member). Of what
// schedulers and the rest take is not known more.
func (o *operations) takes(field string) bool {
	return o.name != "tcp_congestion_ops" || field == "name" || field == "flags"
}

// validate is what is wanted of a TCP congestion control
// (tcp_validate_congestion_control).
func (o *operations) validate(value []byte, programs map[string]*Object) error {
	if o.name != "tcp_congestion_ops" {
		return nil
	}
	label := append([]byte(o.label(value)), 0)
	if _, err := objectName(label); err != nil || len(label) == 1 || len(label) > nameSize {
		return refuse("struct-ops/name", mprog.EINVAL, "name %q", label)
	}
	switch {
	case programs["ssthresh"] == nil, programs["undo_cwnd"] == nil, programs["cong_avoid"] == nil && programs["cong_control"] == nil:
		return refuse("struct-ops/incomplete", mprog.EINVAL, "a congestion control needs ssthresh, undo_cwnd, and cong_avoid or cong_control")
	}
	return nil
}

// label is what the operations call themselves.
func (o *operations) label(value []byte) string {
	for _, member := range o.members {
		if member.Name == "name" && !member.Function {
			text, _, _ := bytes.Cut(value[o.data+member.Offset:][:member.Size], []byte{0})
			return string(text)
		}
	}
	return ""
}

// builtIn are congestion controls that are there without anybody's doing.
var builtIn = map[string]bool{"reno": true, "cubic": true}

// register has the kernel use the operations, as it would: EEXIST for a congestion control
// whose name is taken, EBUSY for a second scheduler, EOPNOTSUPP for operations of tests.
func (k *call) register(m *bpfMap, value []byte) error {
	o := m.ops
	if o.name == "bpf_dummy_ops" {
		return refuse("struct-ops/register", mprog.EOPNOTSUPP, "%s are for test runs", o.name)
	}
	label := o.label(value)
	taken := o.name == "tcp_congestion_ops" && builtIn[label]
	for other, name := range k.registered {
		taken = taken || other.ops.name == o.name && (o.name == "sched_ext_ops" || name == label)
	}
	switch {
	case taken && o.name == "sched_ext_ops":
		return refuse("struct-ops/taken", mprog.EBUSY, "there is another scheduler")
	case taken:
		return refuse("struct-ops/taken", mprog.EEXIST, "%s %q is there already", o.name, label)
	}
	if k.registered == nil {
		k.registered = make(map[*bpfMap]string)
	}
	k.registered[m] = label
	k.warn(m.opsWhat(label) + ": registered, never runs")
	return nil
}

func (m *bpfMap) opsWhat(label string) string {
	return strings.TrimSuffix("struct_ops/"+m.ops.name+"/"+label, "/")
}

// lookupOps is bpf_struct_ops_map_sys_lookup_elem.
func (m *bpfMap) lookupOps(key []byte) ([]byte, error) {
	if native.Uint32(key) != 0 {
		return nil, refuse("map/absent", mprog.ENOENT, "there is index 0 alone")
	}
	value := make([]byte, m.valueSize)
	if m.ops.state == opsInit {
		return value, nil
	}
	copy(value, m.ops.content)
	native.PutUint32(value[opsState:], m.ops.state)
	return value, nil
}

// deleteOps is bpf_struct_ops_map_delete_elem.
func (k *call) deleteOps(m *bpfMap) error {
	switch {
	case m.flags&ofLink != 0:
		return refuse("struct-ops/link", mprog.EOPNOTSUPP, "such operations end with their link")
	case m.ops.state == opsInUse:
		delete(k.registered, m)
		m.ops.state = opsLeaving
		k.Sim.putMap(m)
		return nil
	case m.ops.state == opsLeaving:
		return refuse("struct-ops/leaving", mprog.Errno(115), "they are on their way out") // EINPROGRESS
	}
	return refuse("map/absent", mprog.ENOENT, "nothing is there")
}
