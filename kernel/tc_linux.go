package kernel

import (
	"encoding/binary"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

var _ mprog.TrafficControl = (*Process)(nil)

// clsactParent is TC_H_CLSACT, where clsact and ingress qdiscs stand.
const clsactParent = 0xfffffff1

// QdiscAdd is RTM_NEWQDISC.
func (p *Process) QdiscAdd(r mprog.QdiscRequest) error {
	if r.Ifindex == loopback {
		p.first.filters.worn.Store(true)
	}
	return p.changeTC(mprog.OpQdiscAdd, qdiscRequest(unix.RTM_NEWQDISC, r))
}

// QdiscDelete is RTM_DELQDISC.
func (p *Process) QdiscDelete(r mprog.QdiscRequest) error {
	r.Flags = 0 // they mean something else here
	return p.changeTC(mprog.OpQdiscDelete, qdiscRequest(unix.RTM_DELQDISC, r))
}

func qdiscRequest(command int, r mprog.QdiscRequest) *nl.NetlinkRequest {
	request := nl.NewNetlinkRequest(command, int(r.Flags)|unix.NLM_F_ACK)
	request.AddData(&nl.TcMsg{Ifindex: int32(r.Ifindex), Handle: r.Handle, Parent: clsactParent})
	if r.Kind != "" {
		request.AddData(nl.NewRtAttr(nl.TCA_KIND, nl.ZeroTerminated(string(r.Kind))))
	}
	if r.Options {
		request.AddData(nl.NewRtAttr(nl.TCA_OPTIONS, nil))
	}
	return request
}

// FilterAdd is RTM_NEWTFILTER.
func (p *Process) FilterAdd(r mprog.FilterRequest) error {
	request := filterRequest(unix.RTM_NEWTFILTER, r)
	options := nl.NewRtAttr(nl.TCA_OPTIONS, nil)
	options.AddRtAttr(nl.TCA_BPF_FD, nl.Uint32Attr(r.FD))
	options.AddRtAttr(nl.TCA_BPF_FLAGS, nl.Uint32Attr(uint32(r.BPFFlags)))
	if r.Name != "" {
		options.AddRtAttr(nl.TCA_BPF_NAME, nl.ZeroTerminated(r.Name))
	}
	for typ, v := range map[int]uint32{nl.TCA_BPF_CLASSID: r.ClassID, nl.TCA_BPF_FLAGS_GEN: r.GenFlags} {
		if v != 0 {
			options.AddRtAttr(typ, nl.Uint32Attr(v))
		}
	}
	request.AddData(options)
	return p.changeTC(mprog.OpFilterAdd, request)
}

// FilterDelete is RTM_DELTFILTER.
func (p *Process) FilterDelete(r mprog.FilterRequest) error {
	r.Flags = 0
	return p.changeTC(mprog.OpFilterDelete, filterRequest(unix.RTM_DELTFILTER, r))
}

func filterRequest(command int, r mprog.FilterRequest) *nl.NetlinkRequest {
	request := nl.NewNetlinkRequest(command, int(r.Flags)|unix.NLM_F_ACK)
	request.AddData(&nl.TcMsg{
		Ifindex: int32(r.Ifindex), Handle: r.Handle, Parent: mprog.FilterParent(r.Type),
		Info: uint32(r.Priority)<<16 | uint32(swapped(r.Protocol)),
	})
	if r.Kind != "" {
		request.AddData(nl.NewRtAttr(nl.TCA_KIND, nl.ZeroTerminated(r.Kind)))
	}
	if r.Chain != 0 {
		request.AddData(nl.NewRtAttr(nl.TCA_CHAIN, nl.Uint32Attr(r.Chain)))
	}
	return request
}

// swapped changes a protocol from host to network order, and back.
func swapped(protocol uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, protocol))
}

// FilterList is a dump with RTM_GETTFILTER.
func (p *Process) FilterList(h mprog.Hook) (list []mprog.Filter, err error) {
	request := nl.NewNetlinkRequest(unix.RTM_GETTFILTER, unix.NLM_F_DUMP)
	request.AddData(&nl.TcMsg{Ifindex: int32(h.Ifindex), Parent: mprog.FilterParent(h.Type)})
	var read error
	err = p.tc(mprog.OpFilterList, request, func(payload []byte) {
		var f mprog.Filter
		var listed bool
		if f, listed, read = readFilter(payload); listed && read == nil {
			list = append(list, f)
		}
	})
	if err == nil {
		err = read
	}
	return list, err
}

// readFilter reads a message of a dump. One without a handle tells of a priority,
// which its filters follow.
func readFilter(payload []byte) (f mprog.Filter, listed bool, err error) {
	if len(payload) < nl.SizeofTcMsg {
		return f, false, errCutOff
	}
	header := nl.DeserializeTcMsg(payload)
	f.Parent, f.Handle, f.Priority, f.Protocol = header.Parent, header.Handle, uint16(header.Info>>16), swapped(uint16(header.Info))
	attributes, err := nl.ParseRouteAttrAsMap(payload[nl.SizeofTcMsg:])
	if err != nil || f.Handle == 0 {
		return f, false, err
	}
	f.Chain = attributeU32(attributes, nl.TCA_CHAIN)
	options, err := nl.ParseRouteAttrAsMap(attributes[nl.TCA_OPTIONS].Value)
	f.ProgID = attributeU32(options, nl.TCA_BPF_ID)
	f.ClassID, f.GenFlags = attributeU32(options, nl.TCA_BPF_CLASSID), attributeU32(options, nl.TCA_BPF_FLAGS_GEN)
	f.Name, _, _ = strings.Cut(string(options[nl.TCA_BPF_NAME].Value), "\x00")
	f.BPFFlags = mprog.BPFFlags(attributeU32(options, nl.TCA_BPF_FLAGS))
	return f, true, err
}

func attributeU32(attributes map[uint16]syscall.NetlinkRouteAttr, typ uint16) uint32 {
	if a := attributes[typ]; len(a.Value) == 4 {
		return binary.NativeEndian.Uint32(a.Value)
	}
	return 0
}

// changeTC makes a request that may let go of programs; see settleFilters.
func (p *Process) changeTC(op mprog.Op, request *nl.NetlinkRequest) error {
	p.first.filters.used.Store(true)
	return p.tc(op, request, func([]byte) {})
}

// tc makes a request of rtnetlink as the process, through a socket of its own.
func (p *Process) tc(op mprog.Op, request *nl.NetlinkRequest, message func([]byte)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.do(func() {
		defer p.first.filters.letGo()()
		links, err := openRTNL()
		if err == nil && links.fd >= p.fds.first { // it may be a number that the request names, as closed
			links.fd, err = p.fds.adopt(links.fd, "")
		}
		if p.err = err; err == nil {
			p.err = links.execute(request, message)
			_ = p.fds.close(uint32(links.fd))
		}
	})
	if err != nil {
		return err
	}
	return p.failure(op)
}
