package link

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/nkconform/nkconform/mprog"
)

// Info describes a link.
type Info struct {
	Type    Type
	ID      ID
	Program ebpf.ProgramID
	extra   any
}

// NetkitInfo is what there is to know of a netkit link. Ifindex is that of the
// device which has the hook, for ebpf.AttachNetkitPeer the peer's, and 0 when
// the link is defunct.
type NetkitInfo struct {
	Ifindex    uint32
	AttachType ebpf.AttachType
}

// TCXInfo is what there is to know of a tcx link. Ifindex is 0 when the link is
// defunct.
type TCXInfo NetkitInfo

// Netkit returns what there is to know of a netkit link, and nil for others.
func (i Info) Netkit() *NetkitInfo {
	e, _ := i.extra.(*NetkitInfo)
	return e
}

// TCX returns what there is to know of a tcx link, and nil for others.
func (i Info) TCX() *TCXInfo {
	e, _ := i.extra.(*TCXInfo)
	return e
}

// Info is as [Link] says, without what is particular to the link's type.
func (l *RawLink) Info() (*Info, error) {
	info, _, err := l.info("link info")
	return info, err
}

// info also returns what netkit and tcx links have in common. An errno is shown
// and not wrapped, as cilium/ebpf does it.
func (l *RawLink) info(what string) (*Info, NetkitInfo, error) {
	o, err := l.kernel.ObjectInfo(uint32(l.fd))
	if err != nil {
		return nil, NetkitInfo{}, fmt.Errorf("%s: %s", what, err)
	}
	if o.Kind != mprog.LinkObject {
		return nil, NetkitInfo{}, fmt.Errorf("%s: fd %d is no link", what, l.fd)
	}
	return &Info{Type: Type(o.LinkType), ID: ID(o.ID), Program: ebpf.ProgramID(o.ProgID)},
		NetkitInfo{o.Ifindex, ebpf.AttachType(o.AttachType)}, nil
}

type netkitLink struct{ RawLink }

func (l *netkitLink) Info() (*Info, error) {
	info, extra, err := l.info("netkit link info")
	if err != nil {
		return nil, err
	}
	info.extra = &extra
	return info, nil
}

type tcxLink struct{ RawLink }

func (l *tcxLink) Info() (*Info, error) {
	info, extra, err := l.info("tcx link info")
	if err != nil {
		return nil, err
	}
	info.extra = (*TCXInfo)(&extra)
	return info, nil
}
