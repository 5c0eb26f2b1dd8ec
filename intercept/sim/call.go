package sim

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/nkconform/nkconform/mprog"
)

const (
	pageSize = 4096
	attrEnd  = 168 // sizeof(union bpf_attr), Linux 6.18
)

var native = binary.NativeEndian

// call is a call of bpf(2) in hand.
type call struct {
	*Sim
	Answer
	caller  Caller
	address uint64
	size    uint32 // as told, at most a page
	attr    []byte // attrEnd bytes or more, zero from size on
	common  common
	after   error // what the call says when all is written
}

// command is one of bpf(2).
type command struct {
	name string
	// tail says that the fake itself looks at what is behind the command's last
	// field (CHECK_ATTR).
	tail   bool
	handle func(*call) error
	// op names a command that the fake does not answer to who watches its calls.
	op mprog.Op
}

// commands are those of bpf(2), by number (include/uapi/linux/bpf.h).
var commands []command

func init() { // a table that its own handlers refer to
	commands = []command{
		0:  {"BPF_MAP_CREATE", false, (*call).mapCreate, "map create"},
		1:  {"BPF_MAP_LOOKUP_ELEM", false, (*call).mapLookup, "map lookup elem"},
		2:  {"BPF_MAP_UPDATE_ELEM", false, (*call).mapUpdate, "map update elem"},
		3:  {"BPF_MAP_DELETE_ELEM", false, (*call).mapDelete, "map delete elem"},
		4:  {"BPF_MAP_GET_NEXT_KEY", false, (*call).mapNextKey, "map get next key"},
		5:  {"BPF_PROG_LOAD", false, (*call).progLoad, mprog.OpProgLoad},
		6:  {"BPF_OBJ_PIN", false, (*call).objPin, mprog.OpObjPin},
		7:  {"BPF_OBJ_GET", false, (*call).objGet, mprog.OpObjGet},
		8:  {"BPF_PROG_ATTACH", true, (*call).progAttach, ""},
		9:  {"BPF_PROG_DETACH", true, (*call).progDetach, ""},
		10: {"BPF_PROG_TEST_RUN", false, (*call).testRun, "prog test run"},
		11: {"BPF_PROG_GET_NEXT_ID", true, (*call).progNextID, ""},
		12: {"BPF_MAP_GET_NEXT_ID", false, (*call).mapNextID, "map get next id"},
		13: {"BPF_PROG_GET_FD_BY_ID", true, (*call).progByID, ""},
		14: {"BPF_MAP_GET_FD_BY_ID", false, (*call).mapByID, "map get fd by id"},
		15: {"BPF_OBJ_GET_INFO_BY_FD", false, (*call).objInfo, mprog.OpObjectInfo},
		16: {"BPF_PROG_QUERY", true, (*call).progQuery, ""},
		17: {"BPF_RAW_TRACEPOINT_OPEN", false, (*call).rawTracepoint, "raw tracepoint open"},
		18: {"BPF_BTF_LOAD", false, (*call).btfLoad, "btf load"},
		19: {"BPF_BTF_GET_FD_BY_ID", false, (*call).btfByID, "btf get fd by id"},
		20: {"BPF_TASK_FD_QUERY", false, (*call).queryTask, "task fd query"},
		21: {"BPF_MAP_LOOKUP_AND_DELETE_ELEM", false, (*call).mapTake, "map lookup and delete elem"},
		22: {"BPF_MAP_FREEZE", false, (*call).mapFreeze, "map freeze"},
		23: {"BPF_BTF_GET_NEXT_ID", false, (*call).btfNextID, "btf get next id"},
		24: {"BPF_MAP_LOOKUP_BATCH", false, (*call).mapLookupBatch, "map lookup batch"},
		25: {"BPF_MAP_LOOKUP_AND_DELETE_BATCH", false, (*call).mapTakeBatch, "map lookup and delete batch"},
		26: {"BPF_MAP_UPDATE_BATCH", false, (*call).mapUpdateBatch, "map update batch"},
		27: {"BPF_MAP_DELETE_BATCH", false, (*call).mapDeleteBatch, "map delete batch"},
		28: {"BPF_LINK_CREATE", true, (*call).linkCreate, ""},
		29: {"BPF_LINK_UPDATE", true, (*call).linkUpdate, ""},
		30: {"BPF_LINK_GET_FD_BY_ID", true, (*call).linkByID, ""},
		31: {"BPF_LINK_GET_NEXT_ID", true, (*call).linkNextID, ""},
		32: {"BPF_ENABLE_STATS", false, (*call).enableStats, "enable stats"},
		33: {"BPF_ITER_CREATE", false, (*call).iterCreate, "iter create"},
		34: {"BPF_LINK_DETACH", true, (*call).linkDetach, ""},
		35: {"BPF_PROG_BIND_MAP", false, (*call).bindMap, "prog bind map"},
		36: {"BPF_TOKEN_CREATE", false, (*call).createToken, "token create"},
	}
}

// Looks reports whether a command, by its number, changes nothing: of hooks and
// of objects, it only tells.
func Looks(number uint32) bool {
	switch number {
	case 1, 4, 11, 12, 15, 16, 23, 31: // lookups, next keys and ids, info, query
		return true
	}
	return false
}

// BPF answers bpf(2): the checks of __sys_bpf, then the command.
func (s *Sim) BPF(c Caller, number uint32, address uint64, size uint32) Answer {
	return s.BPFCommon(c, number, address, size, 0, 0)
}

// BPFCommon is [Sim.BPF] with what commands have in common at another address, which
// counts if the number says so.
func (s *Sim) BPFCommon(c Caller, number uint32, address uint64, size uint32, commonAddress uint64, commonSize uint32) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := &s.inHand
	*k = call{Sim: s, caller: c, address: address, size: size, attr: s.attr[:], common: common{address: commonAddress, size: commonSize}}
	err := k.run(number)
	if err == nil {
		return k.Answer
	}
	if k.Command == "" {
		k.Command = fmt.Sprintf("bpf command %d", number)
	}
	k.Err = err
	errno, ok := mprog.ErrnoOf(err)
	switch {
	case ok:
	case errors.Is(err, mprog.ErrUnsupported):
		errno = mprog.EOPNOTSUPP
	default:
		errno = mprog.EIO
	}
	k.Errno = errno
	return k.Answer
}

// tell keeps what was asked for who wants to know.
func tell[R any](k *call, request R) {
	if k.explain {
		k.Request = request
	}
}

func (k *call) run(number uint32) error {
	if k.size > pageSize {
		return refuse("attr/size", mprog.E2BIG, "size %d is more than a page of %d bytes", k.size, pageSize)
	}
	clear(k.attr[k.size:max(k.size, 2*attrEnd)])
	if k.caller.Read(k.address, k.attr[:k.size]) != nil {
		return refuse("attr/address", mprog.EFAULT, "%d bytes at %#x cannot be read", k.size, k.address)
	}
	asked := number
	number, end, lastField, known := k.kernel.Layout(number)
	if at := nonzero(k.attr, end, k.size); at < k.size {
		return refuse("attr/unknown", mprog.E2BIG, "byte %d is nonzero, this kernel's bpf_attr ends at %d", at, end)
	}
	if !known || number >= uint32(len(commands)) {
		return refuse("command/unknown", mprog.EINVAL, "this kernel has no command %d", number)
	}
	cmd := &commands[number]
	k.Command = cmd.name
	if err := k.readCommon(asked); err != nil {
		return err
	}
	if len(k.faults) > 0 {
		if err := k.fail(cmd.name); err != nil {
			return err
		}
	}
	if end = min(k.size, end); !cmd.tail {
		if at := nonzero(k.attr, lastField, end); at < end {
			return refuse("attr/tail", mprog.EINVAL, "byte %d is nonzero, the command's last field ends at %d", at, lastField)
		}
	}
	if cmd.op != "" && k.kernel.Watched() {
		return k.announced(cmd)
	}
	return cmd.handle(k)
}

// nonzero returns the offset of the first nonzero byte in p[from:to], or to.
func nonzero(p []byte, from, to uint32) uint32 {
	for ; from < to; from++ {
		if p[from] != 0 {
			return from
		}
	}
	return to
}

// u32 and u64 read a field of the attr.
func (k *call) u32(offset uint32) uint32 { return native.Uint32(k.attr[offset:]) }

func (k *call) u64(offset uint32) uint64 { return native.Uint64(k.attr[offset:]) }

// read reads the caller's memory.
func (k *call) read(address uint64, p []byte) error {
	if k.caller.Read(address, p) != nil {
		return refuse("memory/read", mprog.EFAULT, "%d bytes at %#x cannot be read", len(p), address)
	}
	return nil
}

// write writes to the caller's memory.
func (k *call) write(segments ...Segment) error {
	if k.caller.Write(segments...) != nil {
		return refuse("memory/write", mprog.EFAULT, "the answer at %#x cannot be written", segments[0].Address)
	}
	return nil
}

// put writes a number to a field of the caller's attr, which lies there whatever
// size the caller told.
func (k *call) put(offset, value uint32) error {
	return k.write(Segment{k.address + uint64(offset), native.AppendUint32(nil, value)})
}

// enableStats is bpf_enable_stats. Run counts stay 0 all the same.
func (k *call) enableStats() error {
	if err := k.needSysAdmin(); err != nil {
		return err
	}
	if kind := k.u32(0); kind != 0 {
		return refuse("stats/type", mprog.EINVAL, "no statistics have number %d", kind)
	}
	k.New = &Object{Kind: Stats, sim: k.Sim}
	return nil
}

func refuse(rule mprog.Rule, errno mprog.Errno, format string, args ...any) error {
	return &mprog.Error{Errno: errno, Rule: rule, Detail: fmt.Sprintf(format, args...)}
}
