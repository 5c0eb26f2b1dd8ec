package kernel

import (
	"fmt"
	"unsafe"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// infoSize is more than any kernel's bpf_prog_info and bpf_link_info has. The
// kernel takes that as long as what it does not know is zero.
const infoSize = 512

// ObjectInfo is BPF_OBJ_GET_INFO_BY_FD for programs and links. An fd that is no
// BPF object is EINVAL; another kind of BPF object wraps [mprog.ErrUnsupported].
func (p *Process) ObjectInfo(fd uint32) (mprog.ObjectInfo, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.thread != nil && p.fds.kinds[int(fd)] != "" {
		if info, ok := p.fds.told[int(fd)]; ok {
			return info, nil
		}
	}
	clear(p.info[:])
	size := attr.EncodeInfo(&p.attr, attr.InfoRequest{
		FD:      fd,
		InfoLen: infoSize,
		Info:    uint64(uintptr(unsafe.Pointer(&p.info))),
	})
	var (
		kind    string
		kindErr error
	)
	err := p.do(func() {
		p.cmd, p.size = attr.ObjGetInfoByFD, size
		p.onThreadBPF()
		if p.err == nil {
			kind, kindErr = p.fds.kind(fd)
		}
	})
	if err == nil {
		err = p.failure(mprog.OpObjectInfo)
	}
	if err != nil {
		return mprog.ObjectInfo{}, err
	}
	if kindErr != nil {
		return mprog.ObjectInfo{}, fmt.Errorf("%s: %w", mprog.OpObjectInfo, kindErr)
	}
	switch kind {
	case "prog":
		info := attr.DecodeProgInfo(p.info[:])
		if int(fd) >= p.fds.limit {
			p.fds.told[int(fd)] = info
		}
		return info, nil
	case "link":
		return attr.DecodeLinkInfo(p.info[:]), nil
	}
	return mprog.ObjectInfo{}, fmt.Errorf("%s: %w: fd %d is a BPF %s", mprog.OpObjectInfo, mprog.ErrUnsupported, fd, kind)
}

// objectID returns the id of a program or map, on the current thread.
func (p *Process) objectID(fd int) (id uint32, err error) {
	clear(p.info[:])
	size := attr.EncodeInfo(&p.attr, attr.InfoRequest{
		FD:      uint32(fd),
		InfoLen: infoSize,
		Info:    uint64(uintptr(unsafe.Pointer(&p.info))),
	})
	if _, err := p.raw(attr.ObjGetInfoByFD, size); err != nil {
		return 0, err
	}
	return attr.DecodeProgInfo(p.info[:]).ID, nil
}
