package rtnl

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/mprog"
)

// Traffic has the qdiscs at TC_H_CLSACT and their filters, of simulated devices and of
// the running kernel's alike, as one program may use them.
type Traffic interface {
	// Qdisc returns the kind of a device's, "" if it has none, Qdiscs all of the
	// program's network namespace by ifindex.
	Qdisc(ifindex uint32) mprog.QdiscKind
	Qdiscs() map[uint32]mprog.QdiscKind
	// QdiscCounts returns what a device's has counted.
	QdiscCounts(ifindex uint32) mprog.QdiscCounts
	AddQdisc(mprog.QdiscRequest) error
	DeleteQdisc(mprog.QdiscRequest) error
	AddFilter(mprog.FilterRequest) (mprog.Filter, error)
	DeleteFilter(mprog.FilterRequest) error
	GetFilter(mprog.FilterRequest) (mprog.Filter, error)
	Filters(mprog.Hook) ([]mprog.Filter, error)
	AddChain(mprog.FilterRequest) error
	DeleteChain(mprog.FilterRequest) error
	Chains(mprog.Hook) []uint32
	// SetXDP attaches or detaches a device's XDP program.
	SetXDP(mprog.XDPRequest) error
	// Tag returns the tag of a program.
	Tag(prog uint32) [8]byte
}

// Types of messages about qdiscs, filters, chains and actions, and their attributes
// (include/uapi/linux/rtnetlink.h).
const (
	newQdisc  = 36
	delQdisc  = 37
	getQdisc  = 38
	newFilter = 44
	delFilter = 45
	getFilter = 46
	newAction = 48
	newChain  = 100
	delChain  = 101
	getChain  = 102

	tcSize = 20 // sizeof(struct tcmsg)

	tcKind         = 1
	tcOptions      = 2
	tcStats        = 3
	tcStats2       = 7
	tcChain        = 11
	tcHardware     = 12
	tcIngressBlock = 13
	tcEgressBlock  = 14

	flagEcho = 0x8
	tcGroup  = 4 // RTNLGRP_TC
)

// Numbers of parents and handles (include/uapi/linux/pkt_sched.h).
const (
	clsactHandle = 0xffff0000
	clsactParent = 0xfffffff1 // TC_H_CLSACT
	magicBlock   = 0xffffffff // TCM_IFINDEX_MAGIC_BLOCK, as an ifindex
)

// tcRequest is a request about a qdisc, a filter or a chain, split up.
type tcRequest struct {
	message
	socket  *Socket
	traffic Traffic
	ifindex uint32 // struct tcmsg
	handle  uint32
	parent  uint32
	info    uint32
	attrs   attributes
}

// tc answers requests about qdiscs at TC_H_CLSACT, their filters and chains. It reports
// false for what is left to the running kernel.
func (s *Server) tc(k *Socket, m message) bool {
	answer := answers[m.typ]
	if answer == nil || k.Traffic == nil || len(m.body) < tcSize {
		return s.foreign(k, m)
	}
	attrs, ok := parseAttributes(m.body[tcSize:])
	if !ok {
		return s.foreign(k, m)
	}
	r := &tcRequest{
		message: m, socket: k, traffic: k.Traffic(), attrs: attrs, ifindex: native.Uint32(m.body[4:]),
		handle: native.Uint32(m.body[8:]), parent: native.Uint32(m.body[12:]), info: native.Uint32(m.body[16:]),
	}
	handled, err := answer(s, r)
	if !handled {
		return s.foreign(k, m)
	}
	if err != nil || m.flags&flagAck != 0 && !r.dumps() {
		s.acknowledge(k, m, err)
	}
	return true
}

// dumps reports whether a request is for a list, which has an end of its own.
func (r *tcRequest) dumps() bool {
	get := r.typ == getQdisc || r.typ == getFilter || r.typ == getChain
	return get && r.flags&flagDump == flagDump
}

// answers are by type of message; each reports false for what is left to the running
// kernel. Dumps end by themselves.
var answers map[uint16]func(*Server, *tcRequest) (handled bool, err error)

func init() { // the functions refer to others of the table
	answers = map[uint16]func(*Server, *tcRequest) (bool, error){
		newQdisc: (*Server).newQdisc, delQdisc: (*Server).delQdisc, getQdisc: (*Server).getQdisc,
		newFilter: (*Server).newFilter, delFilter: (*Server).delFilter, getFilter: (*Server).getFilter,
		newChain: (*Server).newChain, delChain: (*Server).delChain, getChain: (*Server).getChain,
	}
}

// refuse refuses what a kernel would not: it is not simulated, which is told.
func (s *Server) refuse(format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if s.Warn != nil && !slices.Contains(s.warned, text) {
		s.warned = append(s.warned, text)
		s.Warn(text)
	}
	return &mprog.Error{Errno: mprog.EOPNOTSUPP, Detail: text, Extack: "nkconform: " + text}
}

// acknowledge sends the answer to a request, 0 for success.
func (s *Server) acknowledge(k *Socket, m message, err error) {
	errno, answered := mprog.ErrnoOf(err)
	if !answered {
		err, errno = s.refuse("%s are not simulated", unsupported(err)), mprog.EOPNOTSUPP
	}
	p := answerTo(m, k.Port, errno, k.Capped)
	if k.Extended {
		p = withWords(p, err)
	}
	k.Send(p)
}

// unsupported names what an error says is not there.
func unsupported(err error) string {
	_, what, _ := strings.Cut(err.Error(), mprog.ErrUnsupported.Error()+": ")
	return what
}

// withWords puts what is told of an error behind an answer.
func withWords(answer []byte, err error) []byte {
	var why *refusal
	var plain *mprog.Error
	if !errors.As(err, &why) && errors.As(err, &plain) {
		why = &refusal{why: *plain}
	}
	if why == nil || len(why.told()) == 0 {
		return answer
	}
	const told = 0x200 // NLM_F_ACK_TLVS
	p := append(answer, why.told()...)
	native.PutUint32(p, uint32(len(p)))
	native.PutUint16(p[6:], native.Uint16(p[6:])|told)
	return p
}

// tell sends a change to who has subscribed, and to who made it if it asks for that.
func (s *Server) tell(r *tcRequest, parts ...message) {
	if len(parts) == 0 {
		return
	}
	echo := r.flags&flagEcho != 0
	var p []byte
	for _, m := range parts {
		p = appendMessage(p, m)
	}
	if echo {
		r.socket.Send(slices.Clone(p))
	}
	for _, k := range s.sockets {
		if k.Netns == r.socket.Netns && slices.Contains(k.groups, tcGroup) && !(echo && k == r.socket) {
			k.Send(slices.Clone(p))
		}
	}
}

// list sends the parts of a dump and its end.
func (r *tcRequest) list(parts []message) {
	var p []byte
	for _, m := range parts {
		m.flags, m.seq, m.port = flagMulti, r.seq, r.socket.Port
		next := appendMessage(nil, m)
		if len(p) > 0 && len(p)+len(next) > listSize {
			r.socket.Send(p)
			p = nil
		}
		p = append(p, next...)
	}
	if len(p) > 0 {
		r.socket.Send(p)
	}
	r.socket.Send(appendMessage(nil, message{typ: msgDone, flags: flagMulti, seq: r.seq, port: r.socket.Port, body: make([]byte, 4)}))
}

// listSize is how long the kernel makes the parts of a list (NLMSG_GOODSIZE).
const listSize = 4096

// header is a struct tcmsg.
func header(ifindex, handle, parent, info uint32) []byte {
	p := make([]byte, 4, 256)
	for _, v := range []uint32{ifindex, handle, parent, info} {
		p = native.AppendUint32(p, v)
	}
	return p
}

// foreign refuses filters of other qdiscs and actions that have programs: the fds in them
// are not the running kernel's. It reports false for what the running kernel may see.
func (s *Server) foreign(k *Socket, m message) bool {
	if m.typ != newFilter && m.typ != newAction {
		return false
	}
	for _, kind := range [][]byte{appendText(nil, tcKind, mprog.BPFKind), appendAttribute(nil, tcKind, []byte(mprog.BPFKind))} {
		if bytes.Contains(m.body, bytes.TrimRight(kind, "\x00")) { // also nested, as an action of a filter
			s.acknowledge(k, m, s.refuse("programs of BPF are filters of clsact and ingress qdiscs only, and no actions"))
			return true
		}
	}
	return false
}
