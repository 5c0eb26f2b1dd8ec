package fuse

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Server answers the kernel for one mount.
type Server struct {
	fd int

	mu      sync.Mutex
	nodes   map[uint64]*Node // by number
	numbers map[*Node]uint64
	last    uint64
	handles map[uint64][]byte // what files had in them when they were opened
	lists   map[uint64][]string
	handle  uint64
}

// Mount mounts a tree at a folder, or a file at a file, where the current thread sees it, and answers for
// it until [Server.Close]. Source is what the list of mounts calls it. An error wraps
// what open(2) of /dev/fuse or mount(2) said.
func Mount(root *Node, source, dir string) (*Server, error) {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/fuse: %w", err)
	}
	s := &Server{fd: fd, nodes: map[uint64]*Node{1: root}, numbers: map[*Node]uint64{root: 1}, last: 1, handles: map[uint64][]byte{}, lists: map[uint64][]string{}}
	mode := 0o40755
	if !root.folder {
		mode = 0o100444
	}
	options := fmt.Sprintf("fd=%d,rootmode=%o,user_id=%d,group_id=%d,allow_other,default_permissions", fd, mode, unix.Geteuid(), unix.Getegid())
	if err := unix.Mount(source, dir, "fuse", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, options); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("mount %s: %w", dir, err)
	}
	go s.serve()
	return s, nil
}

// Close ends the file system: whoever still looks at it gets ENOTCONN.
func (s *Server) Close() { unix.Close(s.fd) }

var native = binary.NativeEndian

const (
	headerIn  = 40 // sizeof(struct fuse_in_header)
	headerOut = 16 // sizeof(struct fuse_out_header)
	maxWrite  = 4096
	bufSize   = 2 * 8192 // FUSE_MIN_READ_BUFFER, and more than a write with its header
)

// forEver is for how many seconds the kernel may keep what it is told.
const forEver = 1 << 40

func (s *Server) serve() {
	buf := make([]byte, bufSize)
	for {
		n, err := unix.Read(s.fd, buf)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOENT):
			continue
		case err != nil || n < headerIn:
			return // ENODEV: it is not mounted any more
		}
		s.answer(buf[:n])
	}
}

// The operations (enum fuse_opcode).
const (
	opLookup      = 1
	opForget      = 2
	opGetattr     = 3
	opSetattr     = 4
	opMkdir       = 9
	opUnlink      = 10
	opRmdir       = 11
	opOpen        = 14
	opRead        = 15
	opWrite       = 16
	opStatfs      = 17
	opRelease     = 18
	opInit        = 26
	opOpendir     = 27
	opReaddir     = 28
	opReleasedir  = 29
	opCreate      = 35
	opMknod       = 8
	opInterrupt   = 36
	opBatchForget = 42
)

func (s *Server) answer(request []byte) {
	op, unique, id := native.Uint32(request[4:]), native.Uint64(request[8:]), native.Uint64(request[16:])
	body := request[headerIn:]
	switch op {
	case opForget, opBatchForget, opInterrupt:
		return
	}
	s.mu.Lock()
	node := s.nodes[id]
	s.mu.Unlock()
	var out []byte
	errno := syscall.ENOENT
	if op == opInit {
		out, errno = initOut(body), 0
	} else if node != nil {
		out, errno = s.do(op, node, body)
	}
	reply := make([]byte, headerOut, headerOut+len(out))
	if errno != 0 {
		out = nil
	}
	native.PutUint32(reply, uint32(headerOut+len(out)))
	native.PutUint32(reply[4:], uint32(-int32(errno)))
	native.PutUint64(reply[8:], unique)
	_, _ = unix.Write(s.fd, append(reply, out...)) // ENOENT: nobody waits any more
}

// initOut is struct fuse_init_out.
func initOut(body []byte) []byte {
	out := make([]byte, 64)
	native.PutUint32(out, 7)
	native.PutUint32(out[4:], 31)
	native.PutUint32(out[8:], native.Uint32(body[8:])) // max_readahead
	native.PutUint16(out[16:], 16)
	native.PutUint16(out[18:], 12)
	native.PutUint32(out[20:], maxWrite)
	native.PutUint32(out[24:], 1)
	return out
}

func (s *Server) do(op uint32, node *Node, body []byte) ([]byte, syscall.Errno) {
	switch op {
	case opLookup:
		child := node.Child(text(body))
		if child == nil {
			return nil, syscall.ENOENT
		}
		return s.entry(child), 0
	case opGetattr, opSetattr:
		out := make([]byte, 16, 104)
		native.PutUint64(out, forEver)
		return append(out, s.attributes(node)...), 0
	case opMkdir:
		if node.Mkdir == nil {
			return nil, syscall.EPERM
		}
		child, errno := node.Mkdir(text(body[8:]))
		if errno != 0 {
			return nil, errno
		}
		return s.entry(child), 0
	case opRmdir:
		if node.Rmdir == nil {
			return nil, syscall.EPERM
		}
		return nil, node.Rmdir(text(body))
	case opUnlink, opCreate, opMknod:
		return nil, syscall.EPERM
	case opOpen, opOpendir:
		return s.open(node, native.Uint32(body))
	case opRead:
		return s.piece(body), 0
	case opReaddir:
		return s.list(node, body), 0
	case opWrite:
		if node.Write == nil {
			return nil, syscall.EINVAL
		}
		size := native.Uint32(body[16:])
		if errno := node.Write(bytes.Clone(body[40 : 40+size])); errno != 0 {
			return nil, errno
		}
		return native.AppendUint32(native.AppendUint32(nil, size), 0), 0
	case opStatfs:
		out := make([]byte, 80)
		native.PutUint32(out[40:], 4096)
		native.PutUint32(out[44:], 255)
		return out, 0
	case opRelease, opReleasedir:
		s.mu.Lock()
		delete(s.handles, native.Uint64(body))
		delete(s.lists, native.Uint64(body))
		s.mu.Unlock()
		return nil, 0
	}
	return nil, syscall.ENOSYS
}

func text(body []byte) string {
	name, _, _ := bytes.Cut(body, []byte{0})
	return string(name)
}

// open is an opened file's fuse_open_out.
func (s *Server) open(node *Node, flags uint32) ([]byte, syscall.Errno) {
	const directIO = 1 // FOPEN_DIRECT_IO
	if flags&unix.O_ACCMODE != unix.O_RDONLY && node.Write == nil {
		return nil, syscall.EACCES
	}
	var data []byte
	if !node.folder && node.Read != nil && flags&unix.O_ACCMODE != unix.O_WRONLY {
		data = node.Read()
	}
	s.mu.Lock()
	s.handle++
	handle := s.handle
	s.handles[handle] = data
	if node.folder {
		s.mu.Unlock()
		names := node.Names()
		s.mu.Lock()
		s.lists[handle] = names
	}
	s.mu.Unlock()
	out := native.AppendUint64(nil, handle)
	return native.AppendUint32(native.AppendUint32(out, directIO), 0), 0
}

// piece is what a read wants of a file.
func (s *Server) piece(body []byte) []byte {
	handle, from, size := native.Uint64(body), native.Uint64(body[8:]), native.Uint32(body[16:])
	s.mu.Lock()
	defer s.mu.Unlock()
	data := s.handles[handle]
	if from >= uint64(len(data)) {
		return nil
	}
	data = data[from:]
	return data[:min(len(data), int(size))]
}

// list is what a readdir wants of a folder.
func (s *Server) list(node *Node, body []byte) (out []byte) {
	handle, from, size := native.Uint64(body), native.Uint64(body[8:]), int(native.Uint32(body[16:]))
	s.mu.Lock()
	names := s.lists[handle]
	s.mu.Unlock()
	for i := int(from); i < len(names); i++ {
		child := node.Child(names[i])
		if child == nil {
			continue
		}
		room := (24 + len(names[i]) + 7) &^ 7
		if len(out)+room > size {
			break
		}
		kind := uint32(unix.DT_REG)
		if child.folder {
			kind = unix.DT_DIR
		}
		entry := native.AppendUint64(nil, s.numberOf(child))
		entry = native.AppendUint64(entry, uint64(i+1))
		entry = native.AppendUint32(entry, uint32(len(names[i])))
		entry = native.AppendUint32(entry, kind)
		entry = append(entry, names[i]...)
		out = append(out, append(entry, make([]byte, room-len(entry))...)...)
	}
	return out
}

// numberOf gives a node a number when it is looked at first.
func (s *Server) numberOf(node *Node) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.numbers[node] == 0 {
		s.last++
		s.numbers[node] = s.last
		s.nodes[s.last] = node
	}
	return s.numbers[node]
}

// entry is a node's fuse_entry_out. The kernel may keep what it is told of the node,
// and not by which name.
func (s *Server) entry(node *Node) []byte {
	out := make([]byte, 40, 128)
	native.PutUint64(out, s.numberOf(node))
	native.PutUint64(out[24:], forEver)
	return append(out, s.attributes(node)...)
}

// attributes is a node's fuse_attr.
func (s *Server) attributes(node *Node) []byte {
	out := make([]byte, 88)
	mode, links := uint32(unix.S_IFREG|0o444), uint32(1)
	switch {
	case node.folder:
		mode, links = unix.S_IFDIR|0o755, 2
	case node.Write != nil:
		mode = unix.S_IFREG | 0o644
	}
	native.PutUint64(out, s.numberOf(node))
	native.PutUint32(out[60:], mode)
	native.PutUint32(out[64:], links)
	native.PutUint32(out[68:], uint32(unix.Geteuid()))
	native.PutUint32(out[72:], uint32(unix.Getegid()))
	native.PutUint32(out[80:], 4096)
	return out
}
