package fake

import (
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// ObjPin gives a program or a link a path in the bpf file system, which keeps a
// reference (BPF_OBJ_PIN). It fails with
//   - EINVAL for a flag, and for an fd that is not open or no BPF object's;
//   - ENOENT or ENOTDIR when there is no such folder, EEXIST when the path exists;
//   - EPERM outside of the bpf file system, and for a dot in the name.
func (p *Process) ObjPin(r mprog.PinRequest) error {
	return do0(p, mprog.OpObjPin, r, (*Process).objPin)
}

// Flags of pins (include/uapi/linux/bpf.h).
const (
	flagReadOnly  = 1 << 3  // BPF_F_RDONLY
	flagWriteOnly = 1 << 4  // BPF_F_WRONLY
	flagPathFD    = 1 << 14 // BPF_F_PATH_FD; no effect on the absolute paths here
)

// objPin is bpf_obj_pin, bpf_obj_pin_user and bpf_obj_do_pin.
func (p *Process) objPin(r mprog.PinRequest) error {
	pathname := uint64(pathAddress)
	if r.Shape != (mprog.Shape{}) {
		b := p.kernel.scratch()
		size := attr.EncodePin(b, r, pathname)
		if err := p.kernel.readAttr(attr.ObjPin, b, size); err != nil {
			return err
		}
		path := r.Path
		r, pathname = attr.DecodePin(b[:size])
		r.Path = path
		if err := checkPathFD(b, size, r.Flags); err != nil {
			return err
		}
	}
	if r.Flags&^p.kernel.pathFlag() != 0 {
		return refuse(pinFlags, "file_flags %#x", r.Flags)
	}
	p.passed(pinFlags, uint64(r.Flags), 0)
	f := p.files[r.FD]
	switch f.(type) {
	case *program, *link:
	case nil:
		return refuse(pinNotObject, "bpf_fd %d is not open", r.FD)
	default:
		return refuse(pinNotObject, "bpf_fd %d is no BPF object", r.FD)
	}
	p.passed(pinNotObject, uint64(r.FD), 0)
	if pathname != pathAddress {
		return refuse(pathFault, "pathname is %#x", pathname)
	}
	at, err := p.kernel.fs.walk(r.Path)
	switch {
	case err != nil:
		return err
	case at.exists():
		return refuse(pinExists, "%s exists", r.Path)
	case at.slash:
		return refuse(pathMissing, "%s would be a folder", r.Path)
	case !at.bpf:
		return refuse(pinElsewhere, "%s is not on the bpf file system at %s", r.Path, mprog.BPFFS)
	}
	p.passed(pinElsewhere, 0, 0)
	p.kernel.fs.pins[at.path] = hold(f)
	return nil
}

// Where bpf_attr has fields that requests do not.
const (
	bpfFDOffset  = 8  // bpf_fd, of BPF_OBJ_GET
	pathFDOffset = 16 // path_fd
)

// pathFlag returns BPF_F_PATH_FD, or 0 in front of path_fd.
func (k *Kernel) pathFlag() uint32 {
	if k.release.pinEnd <= pathFDOffset {
		return 0
	}
	return flagPathFD
}

// checkPathFD checks path_fd, which goes with its flag alone.
func checkPathFD(b *attr.Buffer, size, flags uint32) error {
	end := min(size, pathFDOffset+4)
	if flags&flagPathFD == 0 && nonzero(b, pathFDOffset, end) < end {
		return refuse(pinFlags, "path_fd is set, and not asked for")
	}
	return nil
}

// ObjGet opens what is pinned at a path (BPF_OBJ_GET). It fails with
//   - EINVAL for flags, for both of read only and write only, and for either when
//     a link is pinned there;
//   - ENOENT or ENOTDIR when there is no such path, EPERM for a dot in the name;
//   - EACCES when something else is there.
func (p *Process) ObjGet(r mprog.GetRequest) (fd uint32, err error) {
	return do(p, mprog.OpObjGet, r, (*Process).objGet)
}

// objGet is bpf_obj_get, bpf_obj_get_user and bpf_obj_do_get.
func (p *Process) objGet(r mprog.GetRequest) (uint32, error) {
	pathname := uint64(pathAddress)
	if r.Shape != (mprog.Shape{}) {
		b := p.kernel.scratch()
		size := attr.EncodeGet(b, r, pathname)
		if err := p.kernel.readAttr(attr.ObjGet, b, size); err != nil {
			return 0, err
		}
		path := r.Path
		r, pathname = attr.DecodeGet(b[:size])
		r.Path = path
		if i := nonzero(b, bpfFDOffset, min(size, bpfFDOffset+4)); i < min(size, bpfFDOffset+4) {
			return 0, refuse(getFD, "byte %d, of bpf_fd, is not 0", i)
		}
		if err := checkPathFD(b, size, r.Flags); err != nil {
			return 0, err
		}
	}
	if r.Flags&^(flagReadOnly|flagWriteOnly|p.kernel.pathFlag()) != 0 {
		return 0, refuse(pinFlags, "file_flags %#x", r.Flags)
	}
	access := r.Flags & (flagReadOnly | flagWriteOnly)
	if access == flagReadOnly|flagWriteOnly {
		return 0, refuse(getAccess, "file_flags %#x is read only and write only", r.Flags)
	}
	p.passed(pinFlags, uint64(r.Flags), 0)
	if pathname != pathAddress {
		return 0, refuse(pathFault, "pathname is %#x", pathname)
	}
	at, err := p.kernel.fs.walk(r.Path)
	switch {
	case err != nil:
		return 0, err
	case !at.exists():
		return 0, refuse(pathMissing, "%s does not exist", r.Path)
	case at.pin != nil && at.slash:
		return 0, refuse(pathNotFolder, "%s is no folder", r.Path)
	case at.pin == nil:
		return 0, refuse(getNotPin, "%s is no pin", r.Path)
	}
	if _, isLink := at.pin.(*link); isLink && access != 0 {
		return 0, refuse(getLinkAccess, "file_flags %#x", r.Flags)
	}
	p.passed(getNotPin, 0, 0)
	return p.open(hold(at.pin)), nil
}

// Unlink removes a path, and with it the pin's reference (unlink(2)): ENOENT
// when it does not exist, EISDIR for a folder, EPERM for a dot in the name.
func (p *Process) Unlink(path string) error {
	return do0(p, mprog.OpUnlink, path, (*Process).unlink)
}

func (p *Process) unlink(path string) error {
	at, err := p.kernel.fs.walk(path)
	switch {
	case err != nil:
		return err
	case at.folder:
		return refuse(unlinkFolder, "%s is a folder", path)
	case !at.exists():
		return refuse(pathMissing, "%s does not exist", path)
	case at.slash:
		return refuse(pathNotFolder, "%s is no folder", path)
	}
	p.passed(pathMissing, 0, 0)
	delete(p.kernel.fs.pins, at.path)
	at.pin.put()
	return nil
}
