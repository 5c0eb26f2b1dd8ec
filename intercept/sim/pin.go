package sim

import (
	"bytes"

	"github.com/nkconform/nkconform/mprog"
)

const (
	pathFD   = 1 << 14     // BPF_F_PATH_FD
	getFlags = 1<<3 | 1<<4 // BPF_F_RDONLY, BPF_F_WRONLY
	maxPath  = 4096        // PATH_MAX
	cwdFD    = int32(-100) // AT_FDCWD
)

// path reads the path of a pin and what it starts at.
func (k *call) path() (dir int32, path string, err error) {
	p := make([]byte, maxPath)
	n, err := k.caller.ReadSome(k.u64(0), p)
	if err != nil {
		return 0, "", refuse("memory/read", mprog.EFAULT, "path at %#x cannot be read", k.u64(0))
	}
	name, _, found := bytes.Cut(p[:n], []byte{0})
	switch {
	case !found && n == maxPath:
		return 0, "", refuse("pin/path-length", mprog.ENAMETOOLONG, "path is longer than %d bytes", maxPath-1)
	case !found:
		return 0, "", refuse("memory/read", mprog.EFAULT, "path at %#x cannot be read to its end", k.u64(0))
	case len(name) == 0:
		return 0, "", refuse("pin/none", mprog.ENOENT, "path is empty")
	}
	dir = cwdFD
	if k.u32(12)&pathFD != 0 {
		dir = int32(k.u32(16))
	}
	return dir, string(name), nil
}

// objPin is bpf_obj_pin.
func (k *call) objPin() error {
	flags := k.u32(12)
	if flags&^pathFD != 0 || flags&pathFD == 0 && k.u32(16) != 0 {
		return refuse("pin/flags", mprog.EINVAL, "file_flags %#x, path_fd %d", flags, k.u32(16))
	}
	fd := k.u32(8)
	o, open := k.caller.Object(fd)
	switch {
	case !open: // EINVAL, and not EBADF (bpf_fd_probe_obj)
		return refuse("pin/bad-fd", mprog.EINVAL, "bpf_fd %d is not open", int32(fd))
	case o == nil || o.Kind > Map:
		return refuse("pin/not-an-object", mprog.EINVAL, "bpf_fd %d is nothing that can be pinned", fd)
	}
	dir, path, err := k.path()
	if err != nil {
		return err
	}
	tell(k, mprog.PinRequest{Path: path, FD: fd, Flags: flags})
	key, errno := k.caller.CreatePin(dir, path)
	if errno != 0 {
		return refuse("pin/path", errno, "%s", path)
	}
	if old := k.pins[key]; old != nil { // its file is gone, and its number used again
		old.close()
	}
	k.pins[key] = o.clone()
	k.pins[key].path = path
	k.written().pinned(path, o)
	return nil
}

// objGet is bpf_obj_get.
func (k *call) objGet() error {
	flags := k.u32(12)
	if k.u32(8) != 0 || flags&^(getFlags|pathFD) != 0 || flags&pathFD == 0 && k.u32(16) != 0 ||
		flags&getFlags == getFlags {
		return refuse("get/flags", mprog.EINVAL, "bpf_fd %d, file_flags %#x, path_fd %d", k.u32(8), flags, k.u32(16))
	}
	dir, path, err := k.path()
	if err != nil {
		return err
	}
	tell(k, mprog.GetRequest{Path: path, Flags: flags})
	key, errno := k.caller.FindPin(dir, path)
	if errno != 0 {
		return refuse("get/path", errno, "%s", path)
	}
	o := k.pins[key]
	if o == nil {
		return refuse("get/not-pinned", mprog.EACCES, "%s is no pin", path)
	}
	if o.Kind == Link && flags&getFlags != 0 {
		return refuse("get/link-mode", mprog.EINVAL, "a link is opened for reading and writing only")
	}
	k.New = o.clone()
	k.New.only = flags & getFlags
	return nil
}

// Unpinned says that a pin's file is gone.
func (s *Sim) Unpinned(key PinKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.pins[key]; o != nil {
		delete(s.pins, key)
		o.close()
	}
}
