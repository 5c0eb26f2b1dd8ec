package kernel

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

const (
	opProgLoad mprog.Op     = "prog load"
	progLoad   attr.Command = 5 // BPF_PROG_LOAD
)

// instruction is struct bpf_insn.
type instruction struct {
	code uint8
	_    uint8 // destination and source register, r0
	_    int16 // offset
	imm  int32
}

// loadAttr is bpf_attr of BPF_PROG_LOAD up to prog_name.
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
}

// program is all that the kernel reads when it loads a program.
type program struct {
	attr    loadAttr
	insns   [2]instruction
	license [4]byte
}

// newProgram makes a program that returns a constant.
func newProgram(spec mprog.ProgSpec) *program {
	p := &program{
		insns: [2]instruction{
			{code: unix.BPF_ALU64 | unix.BPF_MOV | unix.BPF_K, imm: spec.Return}, // r0 = imm
			{code: unix.BPF_JMP | unix.BPF_EXIT},
		},
		license: [4]byte{'G', 'P', 'L'},
	}
	if spec.Type == 0 {
		spec.Type = mprog.SchedCLS
	}
	p.attr = loadAttr{
		progType:  uint32(spec.Type),
		insnCount: uint32(len(p.insns)),
	}
	copy(p.attr.name[:], spec.Name)
	return p
}

// load loads the program on the current thread.
func (p *program) load() (fd int, err error) {
	var pin runtime.Pinner
	pin.Pin(p)
	defer pin.Unpin()
	p.attr.insns = uint64(uintptr(unsafe.Pointer(&p.insns)))
	p.attr.license = uint64(uintptr(unsafe.Pointer(&p.license)))
	// The verifier gives up with EAGAIN when a signal comes, and Go's scheduler
	// sends signals.
	for range 10 {
		fd, errno := bpf(progLoad, unsafe.Pointer(&p.attr), uint32(unsafe.Sizeof(p.attr)))
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

// LoadProg loads a program that returns a constant (BPF_PROG_LOAD). A name that
// is longer than 15 bytes or has other characters than [A-Za-z0-9_.] is EINVAL.
func (p *Process) LoadProg(spec mprog.ProgSpec) (fd uint32, err error) {
	prog := newProgram(spec)
	p.mu.Lock()
	defer p.mu.Unlock()
	err = p.do(func() {
		var fd int
		if fd, p.err = prog.load(); p.err == nil {
			p.adopt(fd)
		}
	})
	if err == nil {
		err = p.failure(opProgLoad)
	}
	if err != nil {
		return 0, err
	}
	return p.fd, nil
}
