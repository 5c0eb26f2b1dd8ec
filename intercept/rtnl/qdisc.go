package rtnl

import (
	"errors"
	"maps"
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// atClsact reports whether a request is about a qdisc at TC_H_CLSACT, and whether it
// names it by its handle alone.
func (r *tcRequest) atClsact() (ours, byHandle bool) {
	byHandle = r.parent == 0 && r.handle>>16 == clsactHandle>>16
	return r.parent == clsactParent || byHandle, byHandle
}

func (r *tcRequest) qdisc() mprog.QdiscRequest {
	_, options := r.attrs[tcOptions]
	return mprog.QdiscRequest{
		Ifindex: r.ifindex, Handle: r.handle, Kind: mprog.QdiscKind(r.attrs.text(tcKind)),
		Flags: mprog.NLFlags(r.flags) & makes, Options: options,
	}
}

// makes are the flags that say what is to be made.
const makes = mprog.NLReplace | mprog.NLExcl | mprog.NLCreate | mprog.NLAppend

// qdiscError is a refusal of what is asked for by a handle alone.
func qdiscError(errno mprog.Errno, extack string) error {
	return &mprog.Error{Errno: errno, Detail: extack, Extack: extack}
}

func (s *Server) newQdisc(r *tcRequest) (handled bool, err error) {
	ours, byHandle := r.atClsact()
	if !ours {
		return false, nil
	}
	q := r.qdisc()
	old := r.traffic.Qdisc(r.ifindex)
	_, ingress := r.attrs[tcIngressBlock]
	_, egress := r.attrs[tcEgressBlock]
	shares := ingress || egress
	if shares && old != "" {
		return true, s.refuse("blocks of filters for a qdisc that is there already are not simulated")
	}
	if byHandle {
		if old == "" {
			return true, qdiscError(mprog.ENOENT, "Specified qdisc not found")
		}
		q.Flags &= mprog.NLExcl
	}
	before := s.chains(r)
	removed := r.qdiscMessage(old, delQdisc, 0, 0)
	if err := r.traffic.AddQdisc(q); err != nil {
		// A kind of another place is one that the running kernel refuses, too.
		foreign := q.Kind != "" && q.Kind != mprog.Clsact && q.Kind != mprog.Ingress
		return !foreign || r.socket.Forward == nil || r.socket.ReadOnly, err
	}
	kind := r.traffic.Qdisc(r.ifindex)
	if old == "" || kind != old || r.replaces(q) {
		s.takeBack(r)
	}
	if shares {
		if err := s.lend(r, "blocks of filters that qdiscs share"); err != nil {
			return true, errors.Join(err, r.traffic.DeleteQdisc(mprog.QdiscRequest{Ifindex: r.ifindex}))
		}
	}
	switch made := r.qdiscMessage(kind, newQdisc, uint16(mprog.NLReplace), 1); {
	case old == "":
		s.tell(r, made)
	case kind == old && !r.replaces(q):
		made.flags = 0
		s.tell(r, made)
	default:
		s.tell(r, removed, made)
		s.tellChains(r, delChain, 0, before)
	}
	return true, nil
}

// replaces reports whether a request that succeeded where a qdisc of its kind is has put
// another in its place.
func (r *tcRequest) replaces(q mprog.QdiscRequest) bool {
	return q.Handle != 0 && q.Handle != clsactHandle
}

func (s *Server) delQdisc(r *tcRequest) (handled bool, err error) {
	ours, byHandle := r.atClsact()
	if !ours {
		return false, nil
	}
	old := r.traffic.Qdisc(r.ifindex)
	switch {
	case byHandle && old == "":
		return true, qdiscError(mprog.ENOENT, "Failed to find qdisc with specified handle")
	case byHandle:
		return true, qdiscError(mprog.EINVAL, "Classid cannot be zero")
	}
	before := s.chains(r)
	lent := s.isLent(r)
	if err := r.traffic.DeleteQdisc(r.qdisc()); err != nil {
		return true, err
	}
	if lent {
		s.underlying(r, delQdisc, 0, nil)
		delete(s.lent, r.place())
	}
	s.tell(r, r.qdiscMessage(old, delQdisc, 0, 0))
	s.tellChains(r, delChain, 0, before)
	return true, nil
}

// getQdisc answers with a notification, as the kernel does: who asks is told if it has
// subscribed, or with NLM_F_ECHO.
func (s *Server) getQdisc(r *tcRequest) (handled bool, err error) {
	if r.dumps() {
		return s.dumpQdiscs(r), nil
	}
	ours, byHandle := r.atClsact()
	kind := r.traffic.Qdisc(r.ifindex)
	switch name := r.attrs.text(tcKind); {
	case !ours, kind == "" && r.socket.ReadOnly:
		return false, nil
	case kind == "" && byHandle:
		return true, qdiscError(mprog.ENOENT, "Failed to find qdisc with specified handle")
	case kind == "":
		return true, qdiscError(mprog.ENOENT, "Cannot find specified qdisc on specified device")
	case r.handle != 0 && r.handle != clsactHandle:
		return true, qdiscError(mprog.EINVAL, "Invalid handle")
	case name != "" && name != string(kind):
		return true, qdiscError(mprog.EINVAL, "Invalid qdisc name: must match existing qdisc")
	}
	s.tell(r, r.qdiscMessage(kind, newQdisc, 0, 1))
	return true, nil
}

// qdiscMessage tells of a qdisc at TC_H_CLSACT.
func (r *tcRequest) qdiscMessage(kind mprog.QdiscKind, typ, flags uint16, references uint32) message {
	return message{
		typ: typ, flags: flags, seq: r.seq, port: r.socket.Port,
		body: describeQdisc(header(r.ifindex, clsactHandle, r.parent, references), string(kind), r.traffic.QdiscCounts(r.ifindex)),
	}
}

// describeQdisc tells of a qdisc (tc_fill_qdisc).
func describeQdisc(p []byte, kind string, c mprog.QdiscCounts) []byte {
	p = appendText(p, tcKind, kind)
	p = appendAttribute(p, tcOptions, nil)
	p = appendU8(p, tcHardware, 0)
	return appendCounts(p, c)
}

// appendCounts tells what a qdisc without a queue has counted.
func appendCounts(p []byte, c mprog.QdiscCounts) []byte {
	const basic, queue = 1, 3 // TCA_STATS_BASIC, TCA_STATS_QUEUE
	sent := make([]byte, 16)  // struct gnet_stats_basic
	native.PutUint64(sent, c.Bytes)
	native.PutUint32(sent[8:], c.Packets)
	queued := make([]byte, 20) // struct gnet_stats_queue
	native.PutUint32(queued[8:], c.Drops)
	p = appendAttribute(p, tcStats2, appendAttribute(appendAttribute(nil, basic, sent), queue, queued))
	old := make([]byte, 40) // struct tc_stats
	copy(old, sent[:12])
	native.PutUint32(old[12:], c.Drops)
	return appendAttribute(p, tcStats, old)
}

// dumpQdiscs lists the running kernel's qdiscs, with those at TC_H_CLSACT behind the
// others of their devices. Those that the running kernel has there itself are not the
// program's, unless it shares the host's network.
func (s *Server) dumpQdiscs(r *tcRequest) bool {
	left := r.traffic.Qdiscs()
	if len(left) == 0 && r.socket.ReadOnly {
		return false
	}
	var parts []message
	until := func(ifindex uint32) {
		for _, i := range slices.Sorted(maps.Keys(left)) {
			if i < ifindex {
				body := describeQdisc(header(i, clsactHandle, clsactParent, 1), string(left[i]), r.traffic.QdiscCounts(i))
				parts = append(parts, message{typ: newQdisc, body: body})
				delete(left, i)
			}
		}
	}
	listed, refused := r.socket.qdiscs(r.raw)
	if refused != nil {
		r.socket.Send(appendMessage(nil, *refused))
		return true
	}
	for _, part := range listed {
		ifindex := native.Uint32(part.body[4:])
		until(ifindex)
		if native.Uint32(part.body[12:]) == clsactParent && left[ifindex] != "" && s.Lent(r.socket.Netns, ifindex) {
			delete(left, ifindex)
			parts = append(parts, part)
			continue
		}
		if native.Uint32(part.body[12:]) == clsactParent && (left[ifindex] != "" || !r.socket.ReadOnly) {
			continue
		}
		if shown, _, ok := s.present(r.socket.Netns, part); ok {
			parts = append(parts, shown)
		}
	}
	until(^uint32(0))
	r.list(parts)
	return true
}

// qdiscs returns what the running kernel answers to a request for a list of qdiscs, or
// its refusal.
func (k *Socket) qdiscs(request []byte) (listed []message, refused *message) {
	if k.Forward == nil {
		return nil, nil
	}
	for _, p := range k.Forward(request) {
		for _, part := range split(p) {
			switch {
			case part.typ == msgError:
				return nil, &part
			case part.typ == newQdisc && len(part.body) >= tcSize:
				listed = append(listed, part)
			}
		}
	}
	return listed, nil
}

// allQdiscs is a request for a list of qdiscs.
func allQdiscs(seq uint32) []byte {
	return appendMessage(nil, message{typ: getQdisc, flags: flagRequest | flagDump, seq: seq, body: make([]byte, tcSize)})
}

// hasParent reports whether the running kernel has the qdisc that a request names as a
// filter's parent: that of the root, or another by its handle.
func (r *tcRequest) hasParent() bool {
	listed, _ := r.socket.qdiscs(allQdiscs(r.seq))
	return r.parent == 0 || slices.ContainsFunc(listed, func(m message) bool {
		return native.Uint32(m.body[4:]) == r.ifindex && native.Uint32(m.body[8:])>>16 == r.parent>>16
	})
}

// hasDevice reports whether the program sees the device that a request names.
func (s *Server) hasDevice(r *tcRequest) bool {
	if r.socket.Forward == nil || s.ByIndex(r.socket.Netns, r.ifindex) != nil {
		return s.ByIndex(r.socket.Netns, r.ifindex) != nil
	}
	for _, p := range r.socket.Forward(Lookup(r.ifindex, r.seq)) {
		if errno, answer := Refused(p, r.seq); answer {
			return errno == 0
		}
	}
	return false
}
