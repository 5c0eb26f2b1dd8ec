package libbpf

import (
	"path"
	"strings"

	"github.com/nkconform/nkconform/mprog"
)

// Link is struct bpf_link.
type Link struct {
	kernel       mprog.Kernel
	fd           int
	pinPath      string
	disconnected bool
}

// LinkOpen is bpf_link__open. It fails as BPF_OBJ_GET does; that the path is a
// link's is not checked.
func LinkOpen(k mprog.Kernel, file string) (*Link, error) {
	fd, err := k.ObjGet(mprog.GetRequest{Path: file})
	if err != nil {
		return nil, err
	}
	return &Link{kernel: k, fd: int(fd), pinPath: file}, nil
}

// FD is bpf_link__fd.
func (l *Link) FD() int { return l.fd }

// PinPath is bpf_link__pin_path, and "" for no path.
func (l *Link) PinPath() string { return l.pinPath }

// UpdateProgram is bpf_link__update_program. It fails with EINVAL when the
// program is not loaded, and as [LinkUpdate] does.
func (l *Link) UpdateProgram(prog *Program) error {
	if prog.FD < 0 {
		return refuse(mprog.OpLinkUpdate, "prog %q: not loaded", prog.Name)
	}
	return LinkUpdate(l.kernel, l.fd, prog.FD, nil)
}

// Detach is bpf_link__detach.
func (l *Link) Detach() error { return LinkDetach(l.kernel, l.fd) }

// Pin is bpf_link__pin. It fails with EBUSY when the link has a path, with EINVAL
// when the path is outside of the bpf file system, and as BPF_OBJ_PIN does.
func (l *Link) Pin(file string) error {
	if l.pinPath != "" {
		return &mprog.Error{
			Op: "libbpf " + mprog.OpObjPin, Errno: mprog.EBUSY, Detail: "the link is pinned at " + l.pinPath,
		}
	}
	if !strings.HasPrefix(path.Dir(file)+"/", mprog.BPFFS+"/") {
		return refuse(mprog.OpObjPin, "path %q is not on a bpf file system", file)
	}
	if err := l.kernel.ObjPin(mprog.PinRequest{Path: file, FD: uint32(l.fd)}); err != nil {
		return err
	}
	l.pinPath = file
	return nil
}

// Unpin is bpf_link__unpin. It fails with EINVAL when the link has no path, and
// as unlink(2) does: ENOENT when somebody else removed it.
func (l *Link) Unpin() error {
	if l.pinPath == "" {
		return refuse("link unpin", "the link is not pinned")
	}
	if err := l.kernel.Unlink(l.pinPath); err != nil {
		return err
	}
	l.pinPath = ""
	return nil
}

// Disconnect is bpf_link__disconnect: Destroy will leave the fd open, and the
// program attached.
func (l *Link) Disconnect() { l.disconnected = true }

// Destroy is bpf_link__destroy: it closes the fd, which detaches the program
// unless the link is pinned or open elsewhere. A nil link is fine. After it the
// link must not be used.
func (l *Link) Destroy() error {
	if l == nil || l.disconnected {
		return nil
	}
	return l.kernel.Close(uint32(l.fd))
}
