package kernel

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// recorder is how the programs of an environment tell in which order they ran: a
// map of BPF with one value, which they write and this program has in its
// memory. That mapping is what keeps the map.
type recorder struct {
	mapID  uint32
	memory []byte
	progs  []uint32 // ids of the programs, by the number that each writes
}

// The value: how many programs have run, then their numbers in order, which
// begin again at the start after the last.
const (
	recordCount   = 0
	recordEntries = 8
	maxRecords    = 256 // four full hooks, more than lie on any packet's way
	recordSize    = recordEntries + 4*maxRecords
)

// The packets that programs tell from all others, by ethertypes for local
// experiments.
const (
	recordedPacket = 0x88b5 // is recorded
	passingPacket  = 0x88b6 // passes any program
)

const (
	mapCreate    attr.Command = 0  // BPF_MAP_CREATE
	mapGetFDByID attr.Command = 14 // BPF_MAP_GET_FD_BY_ID
)

// mapAttr is bpf_attr of BPF_MAP_CREATE as far as it is needed.
type mapAttr struct {
	mapType, keySize, valueSize, maxEntries, flags uint32
}

// newRecorder makes a recorder, on the current thread.
func (p *Process) newRecorder() (*recorder, error) {
	fd, errno := bpf(mapCreate, unsafe.Pointer(&mapAttr{
		mapType: unix.BPF_MAP_TYPE_ARRAY, keySize: 4, valueSize: recordSize, maxEntries: 1,
		flags: unix.BPF_F_MMAPABLE,
	}), uint32(unsafe.Sizeof(mapAttr{})))
	if errno != 0 {
		return nil, fmt.Errorf("create a map: %w", errno)
	}
	defer unix.Close(fd)
	id, err := p.objectID(fd)
	if err != nil {
		return nil, fmt.Errorf("map id: %w", err)
	}
	memory, err := unix.Mmap(fd, 0, recordSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map a map: %w", err)
	}
	return &recorder{mapID: id, memory: memory}, nil
}

func (r *recorder) close() error {
	if r == nil {
		return nil
	}
	return unix.Munmap(r.memory)
}

// program returns a program that writes a number when a recorded packet comes, and
// returns a constant: for SCHED_CLS, or for CGROUP_SKB, where every packet is recorded
// that does not pass.
func (r *recorder) program(typ mprog.ProgType, mapFD int, number uint32, ret int32) asm.Instructions {
	const mark, protocol = 8, 16 // __sk_buff
	if typ == mprog.CgroupSKB {
		return append(asm.Instructions{
			asm.LoadMem(asm.R2, asm.R1, mark, asm.Word),
			asm.Mov.Imm(asm.R0, 1),
			asm.JEq.Imm(asm.R2, passingMark, "exit"),
			asm.Mov.Imm(asm.R0, ret),
		}, record(mapFD, number)...)
	}
	return append(asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, protocol, asm.Word),
		asm.Mov.Imm(asm.R0, 0),
		asm.JEq.Imm(asm.R2, bigEndian(passingPacket), "exit"),
		asm.Mov.Imm(asm.R0, ret),
		asm.JNE.Imm(asm.R2, bigEndian(recordedPacket), "exit"),
	}, record(mapFD, number)...)
}

// record writes the number, and exits.
func record(mapFD int, number uint32) asm.Instructions {
	return asm.Instructions{
		asm.LoadMapValue(asm.R1, mapFD, 0),
		asm.LoadMem(asm.R2, asm.R1, recordCount, asm.DWord),
		asm.Mov.Reg(asm.R3, asm.R2),
		asm.Add.Imm(asm.R2, 1),
		asm.StoreMem(asm.R1, recordCount, asm.R2, asm.DWord),
		asm.And.Imm(asm.R3, maxRecords-1),
		asm.LSh.Imm(asm.R3, 2),
		asm.Add.Reg(asm.R1, asm.R3),
		asm.StoreImm(asm.R1, recordEntries, int64(number), asm.Word),
		asm.Return().WithSymbol("exit"),
	}
}

// bigEndian returns the number whose bytes in memory are those of v in big
// endian.
func bigEndian(v uint16) int32 {
	return int32(byteOrder.Uint16(binary.BigEndian.AppendUint16(nil, v)))
}

func (r *recorder) reset() { atomic.StoreUint64((*uint64)(unsafe.Pointer(&r.memory[recordCount])), 0) }

// ran returns the ids of the programs that have run since reset, in order.
func (r *recorder) ran() ([]uint32, error) {
	n := atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.memory[recordCount])))
	if n > maxRecords {
		return nil, fmt.Errorf("%d programs have run, more than can be recorded", n)
	}
	var ids []uint32
	for i := range n {
		number := atomic.LoadUint32((*uint32)(unsafe.Pointer(&r.memory[recordEntries+4*i])))
		ids = append(ids, r.progs[number])
	}
	return ids, nil
}
