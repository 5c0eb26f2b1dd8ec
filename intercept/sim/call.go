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
}

// command is one of bpf(2).
type command struct {
	name string
	// end is where the command's last field ends (CHECK_ATTR); 0 leaves the
	// check to the fake.
	end    uint32
	handle func(*call) error
}

// commands are those of bpf(2), by number (include/uapi/linux/bpf.h).
var commands []command

func init() { // a table that its own handlers refer to
	commands = []command{
		0:  {"BPF_MAP_CREATE", 92, (*call).mapCreate},
		1:  {"BPF_MAP_LOOKUP_ELEM", 32, (*call).mapLookup},
		2:  {"BPF_MAP_UPDATE_ELEM", 32, (*call).mapUpdate},
		3:  {"BPF_MAP_DELETE_ELEM", 16, (*call).mapDelete},
		4:  {"BPF_MAP_GET_NEXT_KEY", 24, (*call).mapNextKey},
		5:  {"BPF_PROG_LOAD", attrEnd, (*call).progLoad},
		6:  {"BPF_OBJ_PIN", 20, (*call).objPin},
		7:  {"BPF_OBJ_GET", 20, (*call).objGet},
		8:  {"BPF_PROG_ATTACH", 0, (*call).progAttach},
		9:  {"BPF_PROG_DETACH", 0, (*call).progDetach},
		10: {"BPF_PROG_TEST_RUN", 76, (*call).testRun},
		11: {"BPF_PROG_GET_NEXT_ID", 0, (*call).progNextID},
		12: {"BPF_MAP_GET_NEXT_ID", 8, (*call).mapNextID},
		13: {"BPF_PROG_GET_FD_BY_ID", 0, (*call).progByID},
		14: {"BPF_MAP_GET_FD_BY_ID", 12, (*call).mapByID},
		15: {"BPF_OBJ_GET_INFO_BY_FD", 16, (*call).objInfo},
		16: {"BPF_PROG_QUERY", 0, (*call).progQuery},
		17: {"BPF_RAW_TRACEPOINT_OPEN", 24, (*call).notSimulated},
		18: {"BPF_BTF_LOAD", 40, (*call).btfLoad},
		19: {"BPF_BTF_GET_FD_BY_ID", 16, (*call).btfByID},
		20: {"BPF_TASK_FD_QUERY", 48, (*call).notSimulated},
		21: {"BPF_MAP_LOOKUP_AND_DELETE_ELEM", 32, (*call).mapTake},
		22: {"BPF_MAP_FREEZE", 4, (*call).mapFreeze},
		23: {"BPF_BTF_GET_NEXT_ID", 8, (*call).btfNextID},
		24: {"BPF_MAP_LOOKUP_BATCH", 56, (*call).mapBatch},
		25: {"BPF_MAP_LOOKUP_AND_DELETE_BATCH", 56, (*call).mapBatch},
		26: {"BPF_MAP_UPDATE_BATCH", 56, (*call).mapBatch},
		27: {"BPF_MAP_DELETE_BATCH", 56, (*call).mapBatch},
		28: {"BPF_LINK_CREATE", 0, (*call).linkCreate},
		29: {"BPF_LINK_UPDATE", 0, (*call).linkUpdate},
		30: {"BPF_LINK_GET_FD_BY_ID", 0, (*call).linkByID},
		31: {"BPF_LINK_GET_NEXT_ID", 0, (*call).linkNextID},
		32: {"BPF_ENABLE_STATS", 4, (*call).enableStats},
		33: {"BPF_ITER_CREATE", 8, (*call).notSimulated},
		34: {"BPF_LINK_DETACH", 0, (*call).linkDetach},
		35: {"BPF_PROG_BIND_MAP", 12, (*call).bindMap},
		36: {"BPF_TOKEN_CREATE", 8, (*call).notSimulated},
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
	s.mu.Lock()
	defer s.mu.Unlock()
	k := &s.inHand
	*k = call{Sim: s, caller: c, address: address, size: size, attr: s.attr[:]}
	if number < uint32(len(commands)) {
		k.Command = commands[number].name
	} else {
		k.Command = fmt.Sprintf("bpf command %d", number)
	}
	err := k.run(number)
	if err == nil {
		return k.Answer
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
	if at := nonzero(k.attr, attrEnd, k.size); at < k.size {
		return refuse("attr/unknown", mprog.E2BIG, "byte %d is nonzero, this kernel's bpf_attr ends at %d", at, attrEnd)
	}
	if number >= uint32(len(commands)) {
		return refuse("command/unknown", mprog.EINVAL, "this kernel's commands end at %d", len(commands)-1)
	}
	cmd := &commands[number]
	if err := k.fail.check(cmd.name); err != nil {
		return err
	}
	if end := min(k.size, attrEnd); cmd.end != 0 {
		if at := nonzero(k.attr, cmd.end, end); at < end {
			return refuse("attr/tail", mprog.EINVAL, "byte %d is nonzero, the command's last field ends at %d", at, cmd.end)
		}
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

// notSimulated is what a command says that is not answered here.
func (k *call) notSimulated() error {
	return refuse("simulation/command", mprog.EINVAL, "%s is not simulated", k.Command)
}

func (k *call) enableStats() error {
	return refuse("simulation/command", mprog.EINVAL, "no program is run, there is nothing to count")
}

func refuse(rule mprog.Rule, errno mprog.Errno, format string, args ...any) error {
	return &mprog.Error{Errno: errno, Rule: rule, Detail: fmt.Sprintf(format, args...)}
}
