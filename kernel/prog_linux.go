package kernel

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

const progLoad attr.Command = 5 // BPF_PROG_LOAD

// loadAttr is bpf_attr of BPF_PROG_LOAD up to expected_attach_type.
type loadAttr struct {
	progType    uint32
	insnCount   uint32
	insns       uint64
	license     uint64
	logLevel    uint32
	logSize     uint32
	logBuf      uint64
	kernVersion uint32
	progFlags   uint32
	name        [16]byte
	ifindex     uint32
	expected    uint32 // expected_attach_type
}

// constant is a program that returns a number.
func constant(ret int32) asm.Instructions {
	return asm.Instructions{asm.Mov.Imm(asm.R0, ret), asm.Return()}
}

// byteOrder is the machine's; package asm does not know binary.NativeEndian.
var byteOrder binary.ByteOrder = binary.LittleEndian

func init() {
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		byteOrder = binary.BigEndian
	}
}

var license = []byte("GPL\x00")

// load loads a program on the current thread, whose code is given.
func load(spec mprog.ProgSpec, insns asm.Instructions) (fd int, err error) {
	var code bytes.Buffer
	if err := insns.Marshal(&code, byteOrder); err != nil {
		return -1, err
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	address := func(b []byte) uint64 {
		p := unsafe.SliceData(b)
		pin.Pin(p)
		return uint64(uintptr(unsafe.Pointer(p)))
	}
	a := &loadAttr{
		progType:  uint32(spec.Type),
		insnCount: uint32(code.Len() / asm.InstructionSize),
		insns:     address(code.Bytes()),
		license:   address(license),
		expected:  uint32(spec.Expected),
	}
	copy(a.name[:], spec.Name)
	// The verifier gives up with EAGAIN when a signal comes, and Go's scheduler
	// sends signals.
	for range 10 {
		fd, errno := bpf(progLoad, unsafe.Pointer(a), uint32(unsafe.Sizeof(*a)))
		if errno == 0 {
			return fd, nil
		}
		err = errno
		if errno != unix.EAGAIN {
			break
		}
	}
	return -1, err
}

// LoadProg loads a program (BPF_PROG_LOAD). A name that is longer than 15 bytes
// or has other characters than [A-Za-z0-9_.] is EINVAL. The verdict of a
// SCHED_CLS program is the same for all packets but those with ethertype 0x88b6,
// which pass unless it is mute: Transmit needs them.
func (k *Kernel) LoadProg(spec mprog.ProgSpec) (fd uint32, err error) {
	p := k.Process
	p.mu.Lock()
	defer p.mu.Unlock()
	err = p.do(func() { p.err = k.onThreadLoad(spec) })
	if err == nil {
		err = p.failure(mprog.OpProgLoad)
	}
	if err != nil {
		return 0, err
	}
	return p.fd, nil
}

// onThreadLoad leaves the program's descriptor in p.fd.
func (k *Kernel) onThreadLoad(spec mprog.ProgSpec) (err error) {
	fd := -1
	switch {
	case spec.Type == mprog.CgroupSKB && !spec.Mute:
		fd, err = k.loadRecorded(spec)
	case spec.Type != 0 && spec.Type != mprog.SchedCLS:
		fd, err = load(spec, constant(spec.Return))
	case !spec.Mute:
		spec.Type = mprog.SchedCLS
		fd, err = k.loadRecorded(spec)
	default:
		k.mute = true
		if spec.Used {
			if fd, err = k.fromShelf(spec); fd >= 0 || err != nil {
				k.fd = uint32(fd)
				return err
			}
		}
		spec.Type = mprog.SchedCLS
		fd, err = load(spec, constant(spec.Return))
	}
	if err == nil {
		k.adopt(fd, "prog")
		err = k.err
	}
	return err
}

// loadRecorded loads a program that tells Transmit that it ran.
func (k *Kernel) loadRecorded(spec mprog.ProgSpec) (fd int, err error) {
	if k.recorder == nil {
		if k.recorder, err = k.newRecorder(); err != nil {
			return -1, err
		}
	}
	r := k.recorder
	mapFD, err := k.raw(mapGetFDByID, attr.EncodeFDByID(&k.attr, mprog.IDRequest{ID: r.mapID}))
	if err != nil {
		return -1, err
	}
	defer func() { _ = closeFD(uint32(mapFD)) }()
	fd, err = load(spec, r.program(spec.Type, mapFD, uint32(len(r.progs)), spec.Return))
	if err != nil {
		return -1, err
	}
	id, err := k.objectID(fd)
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	r.progs = append(r.progs, id)
	return fd, nil
}
