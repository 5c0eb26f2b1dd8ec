package kernel

import (
	"fmt"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// ObjPin is BPF_OBJ_PIN.
func (p *Process) ObjPin(r mprog.PinRequest) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.needBPFFS(); err != nil {
		return err
	}
	return p.call(mprog.OpObjPin, attr.ObjPin, attr.EncodePin(&p.attr, r, p.setPath(r.Path)))
}

// ObjGet is BPF_OBJ_GET.
func (p *Process) ObjGet(r mprog.GetRequest) (fd uint32, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.needBPFFS(); err != nil {
		return 0, err
	}
	err = p.call(mprog.OpObjGet, attr.ObjGet, attr.EncodeGet(&p.attr, r, p.setPath(r.Path)))
	if err != nil {
		return 0, err
	}
	return p.fd, nil
}

// setPath keeps a path where the kernel can read it and returns its address.
func (p *Process) setPath(path string) uint64 {
	p.path = append(append(p.path[:0], path...), 0)
	return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(p.path))))
}

// Unlink is unlink(2). When the path was the last reference to a link, its
// program is off the hook when Unlink returns. The kernel lets a pin's reference
// go only after a grace period of RCU that [ExpediteRCU] does not shorten, some
// ten milliseconds.
//
// A file that is not on a bpf file system belongs to somebody else: to remove it
// wraps [mprog.ErrUnsupported].
func (p *Process) Unlink(path string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.needBPFFS(); err != nil {
		return err
	}
	if err := p.do(func() { p.err = p.unlink(path) }); err != nil {
		return err
	}
	if err := p.failure(mprog.OpUnlink); err != nil {
		return err
	}
	if p.unlinked < 0 {
		return nil
	}
	// The object is still open here, so that the reference that goes last goes
	// at close(2), which detaches a link before it returns.
	err := p.first.settle(p)
	_ = p.do(func() { unix.Close(p.unlinked) })
	return err
}

// unlink removes a path, and leaves what was pinned there open as p.unlinked.
func (p *Process) unlink(path string) error {
	p.unlinked = -1
	if err := spareFiles(path); err != nil {
		return err
	}
	get := attr.EncodeGet(&p.attr, mprog.GetRequest{}, p.setPath(path))
	if fd, err := p.raw(attr.ObjGet, get); err == nil {
		p.unlinked = fd
	}
	restore := pinCPU()
	err := unix.Unlink(path)
	restore()
	if err != nil && p.unlinked >= 0 {
		unix.Close(p.unlinked)
	}
	return err
}

// spareFiles returns an error when path is a file outside of a bpf file system.
func spareFiles(path string) error {
	var fs unix.Statfs_t
	if unix.Statfs(filepath.Dir(path), &fs) != nil || fs.Type == unix.BPF_FS_MAGIC {
		return nil // no such directory, says the kernel then
	}
	var file unix.Stat_t
	if unix.Lstat(path, &file) != nil || file.Mode&unix.S_IFMT == unix.S_IFDIR {
		return nil // unlink(2) removes no directory
	}
	return fmt.Errorf("%w: %s is a file of this machine, not of a bpf file system", mprog.ErrUnsupported, path)
}
