package sim

import (
	"bytes"
	"crypto/sha256"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// The sizes of what is written, Linux 6.18.
const (
	progInfoSize = 232 // sizeof(struct bpf_prog_info)
	mapInfoSize  = 104 // sizeof(struct bpf_map_info); before 6.18 it had no hash
	oldMapInfo   = 88
	btfInfoSize  = 32 // sizeof(struct bpf_btf_info)
	linkInfoSize = 64 // sizeof(struct bpf_link_info)
)

// objInfo is bpf_obj_get_info_by_fd.
func (k *call) objInfo() error {
	r := attr.DecodeInfo(k.request())
	tell(k, r)
	o, open := k.caller.Object(r.FD)
	switch {
	case !open:
		return refuse("info/bad-fd", mprog.EBADFD, "fd %d is not open", int32(r.FD))
	case o == nil || o.Kind > BTF:
		return refuse("info/not-an-object", mprog.EINVAL, "fd %d is no BPF object", r.FD)
	}
	fill := map[Kind]struct {
		size uint32
		fill func(*Object, []byte) error
	}{
		Prog: {progInfoSize, k.progInfo}, Link: {linkInfoSize, k.linkInfo},
		Map: {k.release.MapInfo, k.mapInfo}, BTF: {btfInfoSize, k.btfInfo},
	}[o.Kind]
	if r.InfoLen > pageSize {
		return refuse("info/size", mprog.E2BIG, "info_len %d is more than a page", r.InfoLen)
	}
	p := make([]byte, max(r.InfoLen, fill.size))
	if err := k.read(r.Info, p[:r.InfoLen]); err != nil {
		return err
	}
	if at := nonzero(p, fill.size, r.InfoLen); at < r.InfoLen {
		return refuse("info/unknown", mprog.E2BIG, "byte %d is nonzero, this kernel's structure ends at %d", at, fill.size)
	}
	size := min(r.InfoLen, fill.size)
	p = p[:fill.size]
	if err := fill.fill(o, p); err != nil {
		return err
	}
	if err := k.write(Segment{r.Info, p[:size]}, Segment{k.address + 4, native.AppendUint32(nil, size)}); err != nil {
		return err
	}
	return k.after
}

// linkInfo fills a struct bpf_link_info.
func (k *call) linkInfo(o *Object, p []byte) error {
	info, err := k.holder.ObjectInfo(o.held)
	if err != nil {
		return err
	}
	in := bytes.Clone(p)
	clear(p)
	attr.EncodeLinkInfo(p, info)
	if l := k.inert[o.ID]; l != nil {
		clear(p[12:])
		return k.linkInfoOf(l, in, p)
	}
	return nil
}

// progInfo fills a struct bpf_prog_info, and the arrays that it points to
// (bpf_prog_get_info_by_fd). Nothing is compiled, so that what is compiled is
// empty.
func (k *call) progInfo(o *Object, p []byte) error {
	info, err := k.holder.ObjectInfo(o.held)
	if err != nil {
		return err
	}
	prog := k.programs[o.ID]
	if prog == nil {
		prog = &program{}
	}
	in := make([]byte, len(p))
	copy(in, p)
	clear(p)
	attr.EncodeProgInfo(p, info)
	copy(p[8:16], prog.tag[:])
	native.PutUint32(p[20:], uint32(len(prog.insns)))
	if want := native.Uint32(in[20:]); want != 0 && native.Uint64(in[32:]) != 0 {
		n := min(want, uint32(len(prog.insns)))
		if err := k.write(Segment{native.Uint64(in[32:]), prog.insns[:n]}); err != nil {
			return err
		}
		copy(p[32:40], in[32:40])
	}
	ids := make([]uint32, len(prog.maps))
	for i, m := range prog.maps {
		ids[i] = m.id
	}
	native.PutUint32(p[52:], uint32(len(ids)))
	if want := native.Uint32(in[52:]); want != 0 && len(ids) > 0 {
		n := min(want, uint32(len(ids)))
		if err := k.write(Segment{native.Uint64(in[56:]), encode32(ids[:n])}); err != nil {
			return err
		}
		copy(p[56:64], in[56:64])
	}
	if prog.gpl {
		p[84] = 1
	}
	native.PutUint64(p[40:], prog.loaded)
	native.PutUint32(p[48:], prog.uid)
	native.PutUint32(p[216:], uint32(len(prog.insns)/insnSize)) // verified_insns
	if prog.attachBTF != 0 {
		native.PutUint32(p[220:], k.targetTypes(prog))
		native.PutUint32(p[224:], prog.attachBTF)
	}
	if prog.btf == nil {
		return nil
	}
	native.PutUint32(p[128:], prog.btf.id)
	if err := k.putRecords(&prog.funcInfo, in, p, 132, 136, 144); err != nil {
		return err
	}
	return k.putRecords(&prog.lineInfo, in, p, 172, 152, 148)
}

// putRecords writes func_info or line_info, whose size, address and count are at
// three offsets.
func (k *call) putRecords(r *records, in, p []byte, size, address, count int) error {
	native.PutUint32(p[size:], r.size)
	native.PutUint32(p[count:], r.count)
	want := native.Uint32(in[count:])
	if want == 0 || r.count == 0 {
		return nil
	}
	if recordSize := native.Uint32(in[size:]); recordSize != r.size {
		return refuse("info/record-size", mprog.EINVAL, "records of %d bytes asked for, %d loaded", recordSize, r.size)
	}
	copy(p[address:address+8], in[address:])
	return k.write(Segment{native.Uint64(in[address:]), r.data[:min(want, r.count)*r.size]})
}

// mapHash writes the hash of an array's values to where hash says, in hash_size bytes
// (array_map_get_hash). Only frozen maps have one.
func (k *call) mapHash(m *bpfMap, in []byte) error {
	if len(in) == 0 {
		return nil
	}
	address, size := native.Uint64(in), native.Uint32(in[8:])
	switch {
	case address == 0 && size == 0:
		return nil
	case address == 0, m.typ != arrayMap, size != sha256.Size:
		return refuse("info/hash", mprog.EINVAL, "hash at %#x with hash_size %d of a map of type %d", address, size, m.typ)
	case !m.frozen:
		return refuse("info/hash", mprog.EPERM, "the map is not frozen")
	}
	whole := sha256.New()
	for i := range m.entries {
		value := make([]byte, round8(m.valueSize))
		copy(value, m.elements.get(native.AppendUint32(nil, i)))
		whole.Write(value)
	}
	return k.write(Segment{address, whole.Sum(nil)})
}

// mapInfo fills a struct bpf_map_info.
func (k *call) mapInfo(o *Object, p []byte) error {
	m := o.m
	if err := k.mapHash(m, p[oldMapInfo:]); err != nil {
		return err
	}
	clear(p)
	for i, v := range []uint32{uint32(m.typ), m.id, m.keySize, m.valueSize, m.entries, m.flags} {
		native.PutUint32(p[4*i:], v)
	}
	copy(p[24:40], m.name[:])
	if m.btf != nil {
		native.PutUint32(p[64:], m.btf.id)
		native.PutUint32(p[68:], m.keyType)
		native.PutUint32(p[72:], m.valueType)
	}
	if m.ops != nil {
		native.PutUint32(p[44:], m.ops.value)
		native.PutUint32(p[76:], 1) // the kernel's own BTF is the first
	}
	native.PutUint64(p[80:], m.extra)
	return nil
}

func encode32(numbers []uint32) []byte {
	p := make([]byte, 0, 4*len(numbers))
	for _, n := range numbers {
		p = native.AppendUint32(p, n)
	}
	return p
}
