package sim

import (
	"embed"
	"fmt"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// Which types of programs and maps there are is a file for each release at which that
// changes, as real kernels answered (internal/probes).
//
//go:embed types
var typeFiles embed.FS

// typeFacts are those of a release.
type typeFacts struct {
	// By type of program, attach types: with which the verifier sees it, may be
	// sleepable, must name a type of the kernel's BTF, and must return 1.
	load, sleepable, target, one map[string]numbers
	notSleepable                 string // what the verifier says
	maps                         numbers
	mapErrnos                    map[int32]mprog.Errno // of others, if it is not EINVAL
}

// lastAttachType is the last one in those files, and stands for those behind it.
const lastAttachType = 65

// progTypes are the names of enum bpf_prog_type in the files, by number.
var progTypes = strings.Fields(`unspec socket_filter kprobe sched_cls sched_act tracepoint xdp perf_event cgroup_skb
cgroup_sock lwt_in lwt_out lwt_xmit sock_ops sk_skb cgroup_device sk_msg raw_tracepoint cgroup_sock_addr lwt_seg6local
lirc_mode2 sk_reuseport flow_dissector cgroup_sysctl raw_tracepoint_writable cgroup_sockopt tracing struct_ops ext lsm
sk_lookup syscall netfilter`)

func typesOf(r fake.Release) (*typeFacts, error) {
	lines, err := newestFile(typeFiles, "types", r)
	if err != nil {
		return nil, err
	}
	t := &typeFacts{load: map[string]numbers{}, sleepable: map[string]numbers{}, target: map[string]numbers{}, one: map[string]numbers{},
		mapErrnos: map[int32]mprog.Errno{}}
	for name, list := range lines {
		if name == "says of sleepable" {
			t.notSleepable = list
			continue
		}
		set, err := readNumbers(list)
		if err != nil {
			return nil, fmt.Errorf("types of Linux %s: %s: %w", r, name, err)
		}
		kind, of, _ := strings.Cut(name, " ")
		switch kind {
		case "load":
			t.load[of] = set
		case "sleepable":
			t.sleepable[of] = set
		case "target":
			t.target[of] = set
		case "one":
			t.one[of] = set
		case "maps":
			t.maps = set
		case "map":
			number, err := strconv.ParseInt(of, 10, 32)
			if err != nil {
				return nil, fmt.Errorf("types of Linux %s: %s: %w", r, name, err)
			}
			for errno := range set {
				t.mapErrnos[int32(number)] = mprog.Errno(errno)
			}
		}
	}
	return t, nil
}

var onceTypes once[*typeFacts]

const syscallType = 31 // BPF_PROG_TYPE_SYSCALL

// sleepableFlag is BPF_F_SLEEPABLE.
const sleepableFlag = 1 << 4

// checkType is what bpf_prog_load_check_attach and find_prog_type refuse.
func (k *call) checkType(p *program) error {
	known, err := k.types()
	if err != nil {
		return err
	}
	if p.typ == uint32(len(progTypes)) || p.typ > lastProgType || p.typ == 0 || known.load[progTypes[p.typ]] == nil {
		return refuse("load/type", mprog.EINVAL, "this kernel has no program type %d", p.typ)
	}
	if !known.load[progTypes[p.typ]][p.expected()] {
		return refuse("load/attach-type", mprog.EINVAL, "no program of type %s is loaded for attach type %d", progTypes[p.typ], p.attach)
	}
	switch p.typ {
	case progTracing, progLSM, progStructOps, progExt:
		if p.attachBTF > maxBTFType {
			return refuse("load/btf-id", mprog.EINVAL, "attach_btf_id %d is out of range", p.attachBTF)
		}
	default:
		if p.attachBTF != 0 {
			return refuse("load/btf-id", mprog.EINVAL, "attach_btf_id %d: programs of type %s have none", p.attachBTF, progTypes[p.typ])
		}
	}
	if p.attachProg != 0 && p.typ != progTracing && p.typ != progExt {
		return refuse("load/target", mprog.EINVAL, "programs of type %s are for no other program", progTypes[p.typ])
	}
	return nil
}

const maxBTFType = 0xfffff // BTF_MAX_TYPE

// expected is the attach type as the files have it.
func (p *program) expected() int32 { return int32(min(p.attach, lastAttachType)) }

// checkTarget is check_attach_btf_id: whether the program may be sleepable, and
// whether there is what it is to be attached to.
func (k *call) checkTarget(p *program) error {
	known, err := k.types()
	if err != nil {
		return err
	}
	name := progTypes[p.typ]
	sleeps := p.flags&sleepableFlag != 0
	if sleeps && !known.sleepable[name][p.expected()] {
		return k.verifierSays(-1, known.notSleepable)
	}
	if p.typ == syscallType && !sleeps {
		return k.verifierSays(-1, "Syscall programs can only be sleepable")
	}
	if p.typ == progStructOps {
		return k.checkStructOps(p)
	}
	if !known.target[name][p.expected()] {
		return nil
	}
	if p.attachBTF == 0 {
		return k.verifierSays(-1, "Tracing programs must provide btf_id")
	}
	if p.attachProg != 0 || p.attachModule || k.symbols == nil {
		return nil
	}
	if p.typ == progExt {
		return k.verifierSays(-1, "Cannot replace kernel functions")
	}
	return k.checkKernelTarget(p)
}

// checkKernelTarget is bpf_check_attach_target for a type of the kernel's.
func (k *call) checkKernelTarget(p *program) error {
	kind, known := k.symbols.Kind(p.attachBTF)
	wanted, what := uint32(btfFunction), "function"
	if p.typ == progTracing && mprog.AttachType(p.attach) == traceRawTP {
		wanted, what = btfTypedef, "typedef"
	}
	switch {
	case !known:
		return k.verifierSays(-1, fmt.Sprintf("attach_btf_id %d is invalid", p.attachBTF))
	case kind == 0: // nobody can say
		return nil
	case kind != wanted:
		return k.verifierSays(-1, fmt.Sprintf("attach_btf_id %d is not a %s", p.attachBTF, what))
	}
	name := k.symbols.Type(p.attachBTF)
	prefix := map[bool]string{wanted == btfTypedef: "btf_trace_", p.typ == progLSM: "bpf_lsm_"}[true]
	if p.typ == progLSM && !p.gpl {
		return k.verifierSays(-1, "LSM programs must have a GPL compatible license")
	}
	if !strings.HasPrefix(name, prefix) {
		return k.verifierSays(-1, fmt.Sprintf("attach_btf_id %d points to wrong type name %s", p.attachBTF, name))
	}
	return nil
}

// checkStructOps is check_struct_ops_btf_id. Which structures can be implemented is
// not known: any is.
func (k *call) checkStructOps(p *program) error {
	if !p.gpl {
		return k.verifierSays(-1, "struct ops programs must have a GPL compatible license")
	}
	if p.attachBTF == 0 {
		return k.verifierSaysErrno(-1, mprog.ENOTSUPP, "")
	}
	if k.symbols == nil || p.attachModule {
		return nil
	}
	if kind, known := k.symbols.Kind(p.attachBTF); !known || kind != 0 && kind != btfStruct {
		return k.verifierSaysErrno(-1, mprog.ENOTSUPP, fmt.Sprintf("attach_btf_id %d is not a supported struct", p.attachBTF))
	}
	return nil
}

// checkReturn refuses programs that do nothing but return a number that they must
// not (check_return_code).
func (k *call) checkReturn(p *program) error {
	known, err := k.types()
	if err != nil {
		return err
	}
	if !p.constant || !known.one[progTypes[p.typ]][p.expected()] || p.verdict == 1 {
		return nil
	}
	line := fmt.Sprintf("At program exit the register R0 has smin=%d smax=%d should have been in [1, 1]", p.verdict, p.verdict)
	if k.kernel.Running().Before(fake.Version(6, 8)) {
		line = "At program exit the register R0 has value (0x0; 0x0) should have been in (0x1; 0x0)"
	}
	return k.verifierSays(1, line)
}
