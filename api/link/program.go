package link

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/nkconform/nkconform/mprog"
)

// Program is a program's fd on a kernel.
type Program struct {
	kernel mprog.Kernel
	fd     int
}

// Loader is a kernel that loads programs, as every [mprog.Environment] does.
type Loader interface {
	mprog.Kernel
	LoadProg(mprog.ProgSpec) (fd uint32, err error)
}

// NewProgram loads a program.
func NewProgram(k Loader, spec mprog.ProgSpec) (*Program, error) {
	fd, err := k.LoadProg(spec)
	if err != nil {
		return nil, fmt.Errorf("load program: %w", err)
	}
	return &Program{k, int(fd)}, nil
}

// NewProgramFromFD makes a handle of an fd, which it owns from now on. A
// negative fd is an error; what is behind the fd is not looked at.
func NewProgramFromFD(k mprog.Kernel, fd int) (*Program, error) {
	if fd < 0 {
		return nil, fmt.Errorf("invalid fd %d", fd)
	}
	return &Program{k, fd}, nil
}

// NewProgramFromID opens the program with an id: ENOENT when there is none, EPERM
// without CAP_SYS_ADMIN.
func NewProgramFromID(k mprog.Kernel, id ebpf.ProgramID) (*Program, error) {
	fd, err := k.ProgFDByID(mprog.IDRequest{ID: uint32(id)})
	if err != nil {
		return nil, fmt.Errorf("get program by id: %w", err)
	}
	return &Program{k, int(fd)}, nil
}

// FD returns the fd, and -1 after Close.
func (p *Program) FD() int { return p.fd }

// Close closes the fd. What is attached stays attached. Again: nothing happens.
func (p *Program) Close() error {
	if p == nil {
		return nil
	}
	return closeFD(p.kernel, &p.fd)
}

// ProgramInfo describes a program.
type ProgramInfo struct {
	Type ebpf.ProgramType
	Name string
	id   ebpf.ProgramID
}

// ID returns the program's id, and true.
func (i *ProgramInfo) ID() (ebpf.ProgramID, bool) { return i.id, true }

// Info asks the kernel for what it knows of the program.
func (p *Program) Info() (*ProgramInfo, error) {
	info, err := p.kernel.ObjectInfo(uint32(p.fd))
	if err != nil {
		return nil, fmt.Errorf("program info: %w", err)
	}
	if info.Kind != mprog.ProgObject {
		return nil, fmt.Errorf("program info: fd %d is no program", p.fd)
	}
	return &ProgramInfo{ebpf.ProgramType(info.ProgType), info.ProgName, ebpf.ProgramID(info.ID)}, nil
}

// closeFD closes an fd once.
func closeFD(k mprog.Kernel, fd *int) error {
	if *fd < 0 {
		return nil
	}
	open := uint32(*fd)
	*fd = -1
	return k.Close(open)
}
