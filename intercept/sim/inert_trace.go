package sim

import (
	"bytes"
	"fmt"
	"math"
	"strings"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// target names the function, in the kernel or in a program, that a tracing program
// was loaded for.
func (k *call) target(p *program) string {
	if p.attachProg != 0 {
		if of := k.programs[p.attachProg]; of != nil {
			return fmt.Sprintf("%s of program %s", k.typeName(of.btf, p.attachBTF), of.label())
		}
		return fmt.Sprintf("program %d", p.attachProg)
	}
	name := ""
	if k.symbols != nil {
		name = k.symbols.Type(p.attachBTF)
	}
	if name == "" {
		name = fmt.Sprintf("BTF id %d", p.attachBTF)
	}
	return name
}

// typeName is the name of a type of a program's BTF.
func (k *call) typeName(b *btf, id uint32) string {
	if b == nil {
		return fmt.Sprintf("type %d", id)
	}
	if name := BTFName(b.data, id); name != "" {
		return name
	}
	return fmt.Sprintf("type %d", id)
}

// linkTracing is bpf_tracing_prog_attach, by BPF_LINK_CREATE.
func (k *call) linkTracing(o *Object, p *program, r mprog.LinkCreateRequest) error {
	to, id := k.u32(4), k.u32(16) // target_fd, target_btf_id
	var of *program
	if (to == 0) != (id == 0) {
		return refuse("tracing/target", mprog.EINVAL, "target_fd %d with target_btf_id %d", to, id)
	}
	if to != 0 {
		var err error
		if p.typ != progExt && (p.typ != progTracing || mprog.AttachType(p.attach) != traceFentry && mprog.AttachType(p.attach) != traceFexit) {
			return refuse("tracing/target", mprog.EINVAL, "such a program is attached to what it was loaded for alone")
		}
		if _, of, err = k.progByFD("target_fd", to); err != nil {
			return err
		}
	}
	return k.attachTracing(o, p, of, id, k.u64(24))
}

// attachTracing is bpf_tracing_prog_attach.
func (k *call) attachTracing(o *Object, p *program, of *program, id uint32, cookie uint64) error {
	if p.tracing >= 1 && of == nil && p.typ == progExt {
		return refuse("tracing/attached", mprog.EBUSY, "the program is attached to what it was loaded for already")
	}
	object, what := uint32(1), k.target(p) // the kernel's own BTF is the first
	if p.attachProg != 0 {
		object = p.attachProg
	}
	if id == 0 {
		id = p.attachBTF
	} else {
		object = of.id
		what = fmt.Sprintf("%s of program %s", k.typeName(of.btf, id), of.label())
	}
	if p.typ == progTracing && mprog.AttachType(p.attach) == traceRawTP {
		return k.openTracepoint(o, p, strings.TrimPrefix(what, "btf_trace_"), cookie)
	}
	if p.tracing > 0 && of == nil {
		return refuse("tracing/attached", mprog.EBUSY, "the program is attached already")
	}
	kind := map[uint32]string{progExt: "freplace", progLSM: "lsm"}[p.typ]
	if kind == "" {
		kind = attachName(mprog.AttachType(p.attach))
	}
	p.tracing++
	return k.addInert(&inertLink{
		kind: tracingLink, what: kind + "/" + strings.TrimPrefix(what, "bpf_lsm_"), detach: func() { p.tracing-- },
		info: func(_ *call, _, out []byte) error {
			native.PutUint32(out[16:], p.attach)
			native.PutUint32(out[20:], object)
			native.PutUint32(out[24:], id)
			if !k.kernel.Running().Before(cookies) {
				native.PutUint64(out[32:], cookie)
			}
			return nil
		},
	}, o, p)
}

// rawTracepoint is BPF_RAW_TRACEPOINT_OPEN.
func (k *call) rawTracepoint() error {
	name, fd, cookie := k.u64(0), k.u32(8), k.u64(16)
	o, p, err := k.progByFD("prog_fd", fd)
	if err != nil {
		return err
	}
	switch p.typ {
	case progTracing, progExt, progLSM:
		if name != 0 {
			return refuse("raw-tracepoint/name", mprog.EINVAL, "such a program says what it is for when it is loaded")
		}
		kind := map[uint32]string{progExt: "freplace", progLSM: "lsm"}[p.typ]
		if kind == "" {
			kind = "tracing"
		}
		if err := k.refusedKind(kind); err != nil {
			return err
		}
		if ofCgroup(p.typ, mprog.AttachType(p.attach)) || mprog.AttachType(p.attach) == traceIter {
			return refuse("raw-tracepoint/type", mprog.EINVAL, "attach type %s is for BPF_LINK_CREATE", attachName(mprog.AttachType(p.attach)))
		}
		return k.attachTracing(o, p, nil, 0, cookie)
	case progRawTracepoint, progRawWritable:
	default:
		return refuse("raw-tracepoint/type", mprog.EINVAL, "no program for raw tracepoints (type %d)", p.typ)
	}
	if err := k.refusedKind("raw_tracepoint"); err != nil {
		return err
	}
	text, err := k.text(name, 128)
	if err != nil {
		return err
	}
	return k.openTracepoint(o, p, text, cookie)
}

// cookies are told of by tracing links, and by raw tracepoints', from this release
// on.
var cookies = fake.Version(6, 17)

// openTracepoint makes a link to a raw tracepoint, if the kernel has it.
func (k *call) openTracepoint(o *Object, p *program, name string, cookie uint64) error {
	if k.symbols != nil && !k.symbols.Tracepoint(name) {
		return refuse("raw-tracepoint/none", mprog.ENOENT, "no tracepoint %q", name)
	}
	text := textInfo(func() string { return name }, 16, 24)
	return k.addInert(&inertLink{
		kind: rawTracepointLink, what: "raw_tracepoint/" + name, task: &taskFD{kind: 0, name: name},
		info: func(k *call, in, out []byte) error {
			if !k.kernel.Running().Before(cookies) {
				native.PutUint64(out[32:], cookie)
			}
			return text(k, in, out)
		},
	}, o, p)
}

// text reads a string of the caller's, of at most so many bytes with its end.
func (k *call) text(address uint64, most int) (string, error) {
	p := make([]byte, most)
	n, err := k.caller.ReadSome(address, p)
	if err != nil || address == 0 {
		return "", refuse("memory/read", mprog.EFAULT, "a name at %#x cannot be read", address)
	}
	name, _, _ := bytes.Cut(p[:n], []byte{0})
	return string(name[:min(len(name), most-1)]), nil
}

// linkIter is bpf_iter_link_attach.
func (k *call) linkIter(o *Object, p *program, r mprog.LinkCreateRequest) error {
	if r.Flags != 0 || k.u32(4) != 0 {
		return refuse("iter/flags", mprog.EINVAL, "flags %s, target_fd %d", r.Flags, k.u32(4))
	}
	address, size := k.u64(16), k.u32(24)
	if (address == 0) != (size == 0) {
		return refuse("iter/info", mprog.EINVAL, "iter_info at %#x with a length of %d", address, size)
	}
	info := make([]byte, max(16, min(size, pageSize)))
	if size > pageSize {
		return refuse("iter/info", mprog.E2BIG, "iter_info_len %d", size)
	}
	if size > 0 {
		if err := k.read(address, info[:size]); err != nil {
			return err
		}
		if at := nonzero(info, 16, size); at < size {
			return refuse("iter/info", mprog.E2BIG, "byte %d of iter_info is nonzero", at)
		}
	}
	name := strings.TrimPrefix(k.target(p), "bpf_iter_")
	l := &inertLink{kind: iterLink, what: "iter/" + name}
	held := uint32(0)
	switch name {
	case "bpf_map_elem", "bpf_sk_storage_map", "sockmap":
		m, err := k.mapByFD("map_fd of iter_info", native.Uint32(info))
		if err != nil {
			return err
		}
		m.refs++
		held = m.id
		l.detach = func() { k.Sim.putMap(m) }
	}
	text := textInfo(func() string { return name }, 16, 24)
	l.info = func(k *call, in, out []byte) error {
		if held != 0 {
			native.PutUint32(out[28:], held)
		}
		return text(k, in, out)
	}
	l.update = func(_ *call, to, old *program) error {
		if err := l.oldProgram(old); err != nil {
			return err
		}
		if to.typ != l.prog.typ || to.attach != l.prog.attach || to.attachBTF != l.prog.attachBTF {
			return refuse("iter/update", mprog.EINVAL, "program %d is for something else", to.id)
		}
		return nil
	}
	err := k.addInert(l, o, p)
	if err != nil && l.detach != nil {
		l.detach()
	}
	return err
}

// iterCreate is BPF_ITER_CREATE. What the iterator's program would write is not
// there.
func (k *call) iterCreate() error {
	if k.u32(4) != 0 {
		return refuse("iter/flags", mprog.EINVAL, "flags %#x", k.u32(4))
	}
	o, open := k.caller.Object(k.u32(0))
	switch {
	case !open:
		return refuse("link/bad-fd", mprog.EBADF, "link_fd %d is not open", int32(k.u32(0)))
	case o == nil || o.Kind != Link:
		return refuse("link/not-a-link", mprog.EINVAL, "link_fd %d is no link", int32(k.u32(0)))
	}
	l := k.inert[o.ID]
	if l == nil || l.kind != iterLink {
		return refuse("iter/link", mprog.EINVAL, "link %d is none of an iterator", o.ID)
	}
	held, _ := k.holder.Keep(k.holder, o.held)
	k.New = &Object{Kind: Iterator, sim: k.Sim, held: held}
	return nil
}

// mostProbes is MAX_KPROBE_MULTI_CNT and MAX_UPROBE_MULTI_CNT.
const mostProbes = 1 << 20

// linkKprobes is bpf_kprobe_multi_link_attach.
func (k *call) linkKprobes(o *Object, p *program, r mprog.LinkCreateRequest) error {
	const returns = 1 // BPF_F_KPROBE_MULTI_RETURN
	flags, count := k.u32(16), k.u32(20)
	names, addresses, cookies := k.u64(24), k.u64(32), k.u64(40)
	session := r.AttachType == kprobeSession
	switch {
	case r.Flags != 0:
		return refuse("kprobe-multi/flags", mprog.EINVAL, "flags %s", r.Flags)
	case mprog.AttachType(p.attach) != r.AttachType:
		return refuse("kprobe-multi/type", mprog.EINVAL, "the program is for attach type %s", attachName(mprog.AttachType(p.attach)))
	case flags&^returns != 0 || session && flags != 0:
		return refuse("kprobe-multi/flags", mprog.EINVAL, "kprobe_multi.flags %#x", flags)
	case (names == 0) == (addresses == 0):
		return refuse("kprobe-multi/what", mprog.EINVAL, "names or addresses, and not both")
	case count == 0:
		return refuse("kprobe-multi/count", mprog.EINVAL, "no function")
	case count > mostProbes:
		return refuse("kprobe-multi/count", mprog.E2BIG, "%d functions", count)
	}
	list, err := k.numbers(addresses, count)
	if err != nil {
		return err
	}
	for _, at := range list {
		if at < 1<<63 || at > math.MaxUint64-pageSize {
			return refuse("kprobe/none", mprog.ENOENT, "no function is at %#x", at)
		}
	}
	given, err := k.numbers(cookies, count)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%d functions", count)
	if names != 0 {
		if list, what, err = k.functions(names, count); err != nil {
			return err
		}
	}
	kind := "kprobe_multi/"
	switch {
	case session:
		kind = "kprobe_session/"
	case flags&returns != 0:
		kind = "kretprobe_multi/"
	}
	return k.addInert(&inertLink{kind: kprobeMultiLink, what: kind + what, info: func(k *call, in, out []byte) error {
		to, room, cookiesTo := native.Uint64(in[16:]), native.Uint32(in[24:]), native.Uint64(in[40:])
		if (to == 0) != (room == 0) || cookiesTo != 0 && room == 0 {
			return refuse("info/array", mprog.EINVAL, "addrs at %#x with a count of %d", to, room)
		}
		native.PutUint64(out[16:], to)
		native.PutUint64(out[40:], cookiesTo)
		native.PutUint32(out[24:], count)
		native.PutUint32(out[28:], flags)
		return k.arrays64(room, count, []uint64{to, cookiesTo}, [][]uint64{list, given})
	}}, o, p)
}

// functions reads names of the kernel's functions and finds their addresses.
func (k *call) functions(names uint64, count uint32) (list []uint64, what string, err error) {
	pointers, err := k.numbers(names, count)
	if err != nil {
		return nil, "", err
	}
	for i, at := range pointers {
		name, err := k.text(at, 512)
		if err != nil {
			return nil, "", err
		}
		address, known := uint64(0), true
		if k.symbols != nil {
			address, known = k.symbols.Function(name)
		}
		if !known {
			return nil, "", refuse("kprobe/none", mprog.ESRCH, "the kernel has no function %q", name)
		}
		list = append(list, address)
		if i == 0 {
			what = name
		}
	}
	if count > 1 {
		what += fmt.Sprintf(" and %d more", count-1)
	}
	return list, what, nil
}

// numbers reads an array of 64-bit numbers, nil without an address.
func (k *call) numbers(address uint64, count uint32) ([]uint64, error) {
	if address == 0 || count == 0 {
		return nil, nil
	}
	if count > mostProbes {
		return nil, refuse("probes/count", mprog.E2BIG, "%d entries", count)
	}
	p := make([]byte, 8*count)
	if err := k.read(address, p); err != nil {
		return nil, err
	}
	list := make([]uint64, count)
	for i := range list {
		list[i] = native.Uint64(p[8*i:])
	}
	return list, nil
}

// arrays64 writes the front of arrays, zeros for one that there is not: ENOSPC if
// there is no room for all.
func (k *call) arrays64(room, count uint32, to []uint64, arrays [][]uint64) error {
	for i, address := range to {
		if address == 0 {
			continue
		}
		p := make([]byte, 0, 8*count)
		for j := range min(room, count) {
			v := uint64(0)
			if int(j) < len(arrays[i]) {
				v = arrays[i][j]
			}
			p = native.AppendUint64(p, v)
		}
		if err := k.write(Segment{address, p}); err != nil {
			return err
		}
	}
	if room != 0 && room < count {
		return refuse("info/no-space", mprog.ENOSPC, "room for %d of %d", room, count)
	}
	return nil
}

// linkUprobes is bpf_uprobe_multi_link_attach.
func (k *call) linkUprobes(o *Object, p *program, r mprog.LinkCreateRequest) error {
	const returns = 1 // BPF_F_UPROBE_MULTI_RETURN
	path, offsets, semaphores, cookies := k.u64(16), k.u64(24), k.u64(32), k.u64(40)
	count, flags, pid := k.u32(48), k.u32(52), k.u32(56)
	session := r.AttachType == uprobeSession
	switch {
	case r.Flags != 0:
		return refuse("uprobe-multi/flags", mprog.EINVAL, "flags %s", r.Flags)
	case mprog.AttachType(p.attach) != r.AttachType:
		return refuse("uprobe-multi/type", mprog.EINVAL, "the program is for attach type %s", attachName(mprog.AttachType(p.attach)))
	case flags&^returns != 0 || session && flags != 0:
		return refuse("uprobe-multi/flags", mprog.EINVAL, "uprobe_multi.flags %#x", flags)
	case path == 0 || offsets == 0 || count == 0 || int32(pid) < 0:
		return refuse("uprobe-multi/what", mprog.EINVAL, "path at %#x, offsets at %#x, count %d, pid %d", path, offsets, count, int32(pid))
	case count > mostProbes:
		return refuse("uprobe-multi/count", mprog.E2BIG, "%d places", count)
	}
	name, err := k.text(path, maxPath)
	if err != nil {
		return err
	}
	if errno := k.caller.Executable(name); errno != 0 {
		if errno == mprog.EINVAL { // no regular file
			errno = mprog.EBADF
		}
		return refuse("uprobe-multi/path", errno, "%s", name)
	}
	if pid != 0 && !k.caller.HasTask(pid) {
		return refuse("uprobe-multi/pid", mprog.ESRCH, "no process %d", pid)
	}
	var lists [3][]uint64
	for i, address := range []uint64{offsets, semaphores, cookies} {
		if lists[i], err = k.numbers(address, count); err != nil {
			return err
		}
	}
	for _, at := range lists[0] {
		if at > math.MaxInt64 {
			return refuse("uprobe-multi/offset", mprog.EINVAL, "offset %#x", at)
		}
	}
	kind := "uprobe_multi/"
	switch {
	case session:
		kind = "uprobe_session/"
	case flags&returns != 0:
		kind = "uretprobe_multi/"
	}
	what := fmt.Sprintf("%s%s+%#x", kind, name, lists[0][0])
	if count > 1 {
		what += fmt.Sprintf(" and %d more", count-1)
	}
	return k.addInert(&inertLink{kind: uprobeMultiLink, what: what, info: func(k *call, in, out []byte) error {
		to, size, room := native.Uint64(in[16:]), native.Uint32(in[48:]), native.Uint32(in[52:])
		arrays := []uint64{native.Uint64(in[24:]), native.Uint64(in[32:]), native.Uint64(in[40:])}
		copy(out[16:48], in[16:48])
		switch {
		case (arrays[0] != 0 || arrays[1] != 0 || arrays[2] != 0) != (room != 0) || (to == 0) != (size == 0):
			return refuse("info/array", mprog.EINVAL, "arrays and their count do not fit")
		case size > maxPath:
			return refuse("info/path", mprog.E2BIG, "path_size %d", size)
		case to != 0 && int(size) < len(name)+1:
			return refuse("info/path", mprog.ENAMETOOLONG, "room for %d bytes of %s", size, name)
		}
		if err := k.copyText(name, to, size); err != nil {
			return err
		}
		native.PutUint32(out[48:], uint32(len(name)+1))
		native.PutUint32(out[52:], count)
		native.PutUint32(out[56:], flags)
		native.PutUint32(out[60:], pid)
		return k.arrays64(room, count, arrays, lists[:])
	}}, o, p)
}
