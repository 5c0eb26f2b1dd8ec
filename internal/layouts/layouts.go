// Package layouts holds the layouts of package attr, and what the fake knows of a release,
// against a kernel's own description of its types (BTF).
package layouts

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog/attr"
)

// Report is what a kernel's BTF says.
type Report struct {
	AttrSize    uint32   // of union bpf_attr, in bytes
	Commands    int      // of bpf(2)
	AttachTypes int      // enum bpf_attach_type
	Fields      int      // of package attr that are where it says
	Absent      []string // fields that the kernel does not have
	Differ      []string // what is elsewhere, of another size, or not what the fake knows
}

// field is where a number is, in bytes.
type field struct{ offset, size uint32 }

// Check compares a kernel's BTF, of a release.
func Check(spec *btf.Spec, release fake.Release) (*Report, error) {
	var union *btf.Union
	if err := spec.TypeByName("bpf_attr", &union); err != nil {
		return nil, fmt.Errorf("find union bpf_attr: %w", err)
	}
	r := &Report{AttrSize: union.Size}
	var err error
	if r.Commands, err = values(spec, "bpf_cmd"); err != nil {
		return nil, err
	}
	if r.AttachTypes, err = values(spec, "bpf_attach_type"); err != nil {
		return nil, err
	}
	have := map[string]field{}
	flatten(union, "", 0, have)
	for _, cmd := range attr.Commands() {
		for _, f := range cmd.Fields() {
			r.field(f, have)
		}
	}
	slices.Sort(r.Absent)
	r.Absent = slices.Compact(r.Absent)
	if known := release.AttrSize(); known != r.AttrSize {
		r.Differ = append(r.Differ, fmt.Sprintf("bpf_attr has %d bytes, the fake of %s knows %d", r.AttrSize, release, known))
	}
	if known := release.Commands(); known != r.Commands {
		r.Differ = append(r.Differ, fmt.Sprintf("there are %d commands, the fake of %s knows %d", r.Commands, release, known))
	}
	slices.Sort(r.Differ)
	r.Differ = slices.Compact(r.Differ)
	return r, nil
}

// renamed are fields that older kernels have under another name.
var renamed = map[string]string{
	"target_ifindex": "target_fd", "query.target_ifindex": "query.target_fd", "link_create.target_ifindex": "link_create.target_fd",
	"query.count": "query.prog_cnt",
}

func (r *Report) field(f attr.Field, have map[string]field) {
	got, ok := have[f.Name]
	if !ok {
		got, ok = have[renamed[f.Name]]
	}
	switch {
	case !ok:
		r.Absent = append(r.Absent, f.Name)
	case got != field{f.Offset, f.Size}:
		r.Differ = append(r.Differ, fmt.Sprintf("%s is %d bytes at %d, and %d at %d here", f.Name, got.size, got.offset, f.Size, f.Offset))
	default:
		r.Fields++
	}
}

// flatten notes every member of a type, by its path.
func flatten(t btf.Type, prefix string, offset uint32, into map[string]field) {
	var members []btf.Member
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		members = t.Members
	case *btf.Union:
		members = t.Members
	}
	for _, m := range members {
		at := offset + m.Offset.Bytes()
		if m.Name == "" {
			flatten(m.Type, prefix, at, into)
			continue
		}
		if size, err := btf.Sizeof(m.Type); err == nil {
			into[prefix+m.Name] = field{at, uint32(size)}
		}
		flatten(m.Type, prefix+m.Name+".", at, into)
	}
}

// values counts the values of an enum that begins at 0, without its last, which counts them.
func values(spec *btf.Spec, name string) (int, error) {
	var e *btf.Enum
	if err := spec.TypeByName(name, &e); err != nil {
		return 0, fmt.Errorf("find enum %s: %w", name, err)
	}
	n := 0
	for _, v := range e.Values {
		if v.Value < 1<<16 && !strings.HasPrefix(v.Name, "__MAX") { // BPF_COMMON_ATTRS is a flag
			n = max(n, int(v.Value)+1)
		}
	}
	if n == 0 {
		return 0, errors.New("enum " + name + " has no values")
	}
	return n, nil
}

// String is the report in one line, or more where something differs.
func (r *Report) String() string {
	s := fmt.Sprintf("bpf_attr %d bytes, %d commands, %d attach types, %d fields as here", r.AttrSize, r.Commands, r.AttachTypes, r.Fields)
	if len(r.Absent) > 0 {
		s += "; not there: " + strings.Join(r.Absent, " ")
	}
	for _, d := range r.Differ {
		s += "\n  " + d
	}
	return s
}
