package sim

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"

	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/mprog"
)

// program is what is known of a program besides what the fake knows.
type program struct {
	id         uint32
	typ        uint32
	attach     uint32 // expected_attach_type
	flags      uint32
	attachBTF  uint32 // attach_btf_id
	attachProg uint32 // the program that it was loaded for, by attach_prog_fd
	// attachModule says that attach_btf_id is of other BTF than vmlinux's.
	attachModule bool
	targetTypes  uint32 // the id of that BTF, 0 if it was not named
	tracing      int    // how often it is attached to what it was loaded for
	name         [nameSize]byte
	tag          [8]byte
	hash         [sha256.Size]byte // of its instructions, from which Linux 6.18 takes the tag
	gpl          bool
	insns        []byte           // as loaded, with the caller's fds of maps replaced by ids
	loaded       uint64           // when, in nanoseconds since the kernel began
	uid          uint32           // of who has loaded it
	verdict      int32            // what it returns if it does nothing else
	constant     bool             // that it does nothing else
	code         *machine.Program // nil: of a type that is not run
	told         bool             // that it cannot be run to its end
	maps         []*bpfMap
	btf          *btf
	funcInfo     records
	lineInfo     records
}

// records are func_info or line_info.
type records struct {
	size, count uint32
	data        []byte
}

const (
	nameSize = 16 // BPF_OBJ_NAME_LEN
	insnSize = 8  // sizeof(struct bpf_insn)

	maxInsns     = 1_000_000 // BPF_COMPLEXITY_LIMIT_INSNS
	lastProgType = 32        // BPF_PROG_TYPE_NETFILTER
	progFlags    = 0xff      // all that Linux 6.18 knows
)

// Where BPF_PROG_LOAD has its fields.
const (
	loadInsnCount    = 4
	loadInsns        = 8
	loadLicense      = 16
	loadFlags        = 44
	loadName         = 48
	loadAttachType   = 68
	loadBTF          = 72
	loadFuncInfoSize = 76
	loadFuncInfo     = 80
	loadFuncCount    = 88
	loadLineInfoSize = 92
	loadLineInfo     = 96
	loadLineCount    = 104
	loadFDArray      = 120
	loadAttachBTF    = 108
	loadAttachProg   = 112 // or attach_btf_obj_fd
)

// progLoad is bpf_prog_load without the verifier: a program that is well-formed
// loads.
func (k *call) progLoad() error {
	p := &program{typ: k.u32(0), attach: k.u32(loadAttachType), flags: k.u32(loadFlags)}
	if p.flags&^progFlags != 0 {
		return refuse("load/flags", mprog.EINVAL, "prog_flags %#x", p.flags)
	}
	count := k.u32(loadInsnCount)
	if count == 0 || count > maxInsns {
		return refuse("load/insn-count", mprog.E2BIG, "%d instructions: 1 to %d can be", count, maxInsns)
	}
	if p.typ != uint32(mprog.SocketFilter) {
		if err := k.needBPF(); err != nil {
			return err
		}
	}
	if err := k.needOthers(p.typ); err != nil {
		return err
	}
	if err := k.loadTarget(p); err != nil {
		return err
	}
	if err := k.checkType(p); err != nil {
		return err
	}
	p.insns = make([]byte, count*insnSize)
	if err := k.read(k.u64(loadInsns), p.insns); err != nil {
		return err
	}
	license := make([]byte, 128)
	n, err := k.caller.ReadSome(k.u64(loadLicense), license)
	if err != nil {
		return refuse("memory/read", mprog.EFAULT, "license at %#x cannot be read", k.u64(loadLicense))
	}
	license, _, _ = bytes.Cut(license[:n], []byte{0})
	p.gpl = gplCompatible(string(license))
	if p.name, err = objectName(k.attr[loadName : loadName+nameSize]); err != nil {
		return err
	}
	return k.verify(p)
}

// verify is as much of bpf_check as there is.
func (k *call) verify(p *program) error {
	if err := k.checkLog(); err != nil {
		return err
	}
	if err := k.loadInfo(p); err != nil {
		return err
	}
	k.putTag(p)
	if err := k.checkInsns(p); err != nil {
		return err
	}
	if err := k.checkTarget(p); err != nil {
		return err
	}
	p.verdict, p.constant = verdictOf(p.insns)
	if err := k.checkReturn(p); err != nil {
		return err
	}
	kind, runs := runnable[mprog.ProgType(p.typ)]
	code := machine.New(p.insns, kind)
	if err := k.checkHelpers(p, code); err != nil {
		return err
	}
	for _, m := range p.maps {
		if m.exclusive != nil && !bytes.Equal(m.exclusive, p.hash[:]) {
			return k.verifierSaysErrno(-1, mprog.EACCES, "program's hash doesn't match map's excl_prog_hash")
		}
		if m.typ == progArray {
			if err := k.own(m, p); err != nil {
				return err
			}
		}
	}
	if runs {
		p.code = code
	}
	if err := k.log(processed(len(p.insns) / insnSize)); err != nil {
		return err
	}
	return k.addProg(p)
}

// addProg registers the program and gives the caller its fd.
func (k *call) addProg(p *program) error {
	name, _, _ := bytes.Cut(p.name[:], []byte{0})
	spec := mprog.ProgSpec{Type: mprog.ProgType(p.typ), Name: string(name), Return: p.verdict, Expected: mprog.AttachType(p.attach)}
	tell(k, spec)
	o, err := k.adopt(k.holder.LoadAny(spec))
	if err != nil {
		return err
	}
	k.written().program(o, spec)
	p.id, p.loaded, p.uid = o.ID, k.now(), k.caller.UID()
	k.programs[p.id] = p
	for _, m := range p.maps {
		m.refs++
	}
	if p.btf != nil {
		p.btf.refs++
	}
	k.New = o
	return nil
}

// needBPF is bpf_cap, on a system whose unprivileged users may load socket
// filters only.
func (k *call) needBPF() error {
	if !k.caller.Capable(mprog.CapBPF) && !k.caller.Capable(mprog.CapSysAdmin) {
		return refuse("capability/bpf", mprog.EPERM, "the caller lacks CAP_BPF")
	}
	return nil
}

// loadInfo reads BTF, func_info and line_info (check_btf_info).
func (k *call) loadInfo(p *program) (err error) {
	p.funcInfo = records{size: k.u32(loadFuncInfoSize), count: k.u32(loadFuncCount)}
	p.lineInfo = records{size: k.u32(loadLineInfoSize), count: k.u32(loadLineCount)}
	if p.funcInfo.count == 0 && p.lineInfo.count == 0 {
		return nil
	}
	if p.btf, err = k.btfByFD("prog_btf_fd", k.u32(loadBTF)); err != nil {
		return err
	}
	if err := k.readRecords(&p.funcInfo, k.u64(loadFuncInfo), 8); err != nil {
		return err
	}
	return k.readRecords(&p.lineInfo, k.u64(loadLineInfo), 16)
}

const maxRecordSize = 252 // MAX_FUNCINFO_REC_SIZE

func (k *call) readRecords(r *records, address uint64, least uint32) error {
	if r.count == 0 {
		return nil
	}
	if r.size < least || r.size > maxRecordSize || r.size%4 != 0 {
		return refuse("load/record-size", mprog.EINVAL, "records of %d bytes: %d to %d can be", r.size, least, maxRecordSize)
	}
	if r.count > maxInsns {
		return refuse("load/records", mprog.EINVAL, "%d records", r.count)
	}
	r.data = make([]byte, r.size*r.count)
	return k.read(address, r.data)
}

// objectName is bpf_obj_name_cpy.
func objectName(p []byte) (name [nameSize]byte, err error) {
	end := bytes.IndexByte(p, 0)
	if end < 0 {
		return name, refuse("name/length", mprog.EINVAL, "name %q has no final zero", p)
	}
	for _, c := range p[:end] {
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_' || c == '.' {
			continue
		}
		return name, refuse("name/characters", mprog.EINVAL, "name %q", p[:end])
	}
	copy(name[:], p[:end])
	return name, nil
}

// gplCompatible is license_is_gpl_compatible.
func gplCompatible(license string) bool {
	switch license {
	case "GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL":
		return true
	}
	return false
}

// putTag is bpf_prog_calc_tag: the same for the same program, whatever maps it
// refers to.
func (k *call) putTag(p *program) {
	plain := bytes.Clone(p.insns)
	for at := 0; at+2*insnSize <= len(plain); at += insnSize {
		in := insn(plain[at:])
		if in.code() != loadWide {
			continue
		}
		if in.src() == pseudoMapFD || in.src() == pseudoMapValue {
			clear(plain[at+4 : at+8])
			clear(plain[at+12 : at+16])
		}
		at += insnSize
	}
	p.hash = sha256.Sum256(plain)
	copy(p.tag[:], p.hash[:])
	if !k.release.SHA256 {
		sum := sha1.Sum(plain)
		copy(p.tag[:], sum[:])
	}
}

// progByFD finds the program behind an fd.
func (k *call) progByFD(what string, fd uint32) (*Object, *program, error) {
	o, open := k.caller.Object(fd)
	switch {
	case !open:
		return nil, nil, refuse("prog/bad-fd", mprog.EBADF, "%s %d is not open", what, int32(fd))
	case o == nil || o.Kind != Prog:
		return nil, nil, refuse("prog/not-a-program", mprog.EINVAL, "%s %d is no program", what, int32(fd))
	}
	p := k.programs[o.ID]
	if p == nil {
		p = &program{id: o.ID} // loaded into the fake by somebody else
	}
	return o, p, nil
}

// bindMap is bpf_prog_bind_map.
func (k *call) bindMap() error {
	if flags := k.u32(8); flags != 0 {
		return refuse("bind-map/flags", mprog.EINVAL, "flags %#x", flags)
	}
	_, p, err := k.progByFD("prog_fd", k.u32(0))
	if err != nil {
		return err
	}
	m, err := k.mapByFD("map_fd", k.u32(4))
	if err != nil {
		return err
	}
	p.use(m)
	return nil
}

// use notes a map that the program refers to, whose reference the program then
// holds when it is registered.
func (p *program) use(m *bpfMap) {
	for _, known := range p.maps {
		if known == m {
			return
		}
	}
	p.maps = append(p.maps, m)
	if p.id != 0 {
		m.refs++
	}
}

// loadTarget reads what a program is loaded for: a function of the kernel, or of
// another program.
func (k *call) loadTarget(p *program) error {
	p.attachBTF = k.u32(loadAttachBTF)
	fd := k.u32(loadAttachProg)
	if fd == 0 {
		return nil
	}
	o, open := k.caller.Object(fd)
	switch {
	case !open || o == nil || o.Kind != Prog && o.Kind != BTF:
		return refuse("load/target", mprog.EINVAL, "attach_prog_fd %d is neither a program nor BTF", int32(fd))
	case o.Kind == Prog:
		p.attachProg = o.ID
	case !o.b.kernel:
		return refuse("load/target", mprog.EINVAL, "attach_btf_obj_fd %d is not the kernel's BTF", fd)
	default:
		p.targetTypes, p.attachModule = o.b.id, o.b.name != vmlinux
	}
	return nil
}

// needOthers is what bpf_prog_load wants besides CAP_BPF (is_net_admin_prog_type,
// is_perfmon_prog_type).
func (k *call) needOthers(typ uint32) error {
	if k.caller.Capable(mprog.CapSysAdmin) {
		return nil
	}
	network, tracing := netAdminTypes[typ], perfmonTypes[typ]
	switch {
	case network && !k.caller.Capable(mprog.CapNetAdmin):
		return refuse("capability/net-admin", mprog.EPERM, "the caller lacks CAP_NET_ADMIN")
	case tracing && !k.caller.Capable(mprog.CapPerfmon):
		return refuse("capability/perfmon", mprog.EPERM, "the caller lacks CAP_PERFMON")
	}
	return nil
}

// The types that need CAP_NET_ADMIN and CAP_PERFMON: 10 to 12 and 19 are those of
// lightweight tunnels.
var (
	netAdminTypes = map[uint32]bool{
		uint32(mprog.SchedCLS): true, 4: true, uint32(mprog.XDP): true, progCgroupSock: true, 10: true, 11: true, 12: true, progSockOps: true,
		progSkSkb: true, progCgroupDevice: true, progSkMsg: true, progSockAddr: true, 19: true, progFlowDissector: true,
		progSysctl: true, progSockopt: true, progExt: true, progNetfilter: true,
	}
	perfmonTypes = map[uint32]bool{
		progKprobe: true, progTracepoint: true, progPerfEvent: true, progRawTracepoint: true, progRawWritable: true,
		progTracing: true, progStructOps: true, progExt: true, progLSM: true,
	}
)
