package rtnl

// Messages and attributes about ids of namespaces (include/uapi/linux/net_namespace.h).
const (
	newNSID = 88 // RTM_NEWNSID
	getNSID = 90 // RTM_GETNSID
	delNSID = 89 // RTM_DELNSID

	nsidID  = 1 // NETNSA_NSID
	nsidPID = 2 // NETNSA_PID
	nsidFD  = 3 // NETNSA_FD

	genericSize = 4 // sizeof(struct rtgenmsg), aligned
)

// namespaceIDs are the ids by which devices name the namespaces of their peers,
// where another namespace than the one that looks has the peer.
type namespaceIDs map[[2]uint64]uint32

// of returns the id that a namespace has for another, which it has from then on
// (peernet2id_alloc).
func (ids namespaceIDs) of(looking, other uint64) uint32 {
	key := [2]uint64{looking, other}
	if _, known := ids[key]; !known {
		ids[key] = firstIndex + uint32(len(ids)) // not the running kernel's either
	}
	return ids[key]
}

// namespaceID answers a request for a namespace's id, if it is one of these.
func (s *Server) namespaceID(k *Socket, m message) (handled bool) {
	if m.typ != getNSID || len(m.body) < genericSize || k.Namespace == nil {
		return false
	}
	attrs, _ := parseAttributes(m.body[genericSize:])
	for attribute, named := range map[uint16]uint16{nsidFD: attrNetnsFD, nsidPID: attrNetnsPID} {
		value, ok := attrs.u32(attribute)
		if !ok {
			continue
		}
		netns, ok := k.Namespace(named, value)
		if !ok {
			return false
		}
		id, ok := s.ids[[2]uint64{k.Netns, netns}]
		if !ok {
			return false
		}
		body := appendU32(make([]byte, genericSize), nsidID, id)
		k.Send(appendMessage(nil, message{typ: newNSID, seq: m.seq, port: k.Port, body: body}))
		return true
	}
	return false
}

// NamespaceIDs asks for the ids of all namespaces that have one.
func (a Ask) NamespaceIDs() []byte {
	return appendMessage(nil, message{typ: getNSID, flags: flagRequest | flagDump, seq: a.Seq, body: make([]byte, genericSize)})
}

// MadeUp reports whether an id of a namespace may be one that is not the running kernel's.
func MadeUp(id int32) bool { return id >= firstIndex }

// NamespaceIDs reads what a datagram says of ids.
func NamespaceIDs(datagram []byte) (list []int32) {
	for _, m := range split(datagram) {
		if m.typ != newNSID || len(m.body) < genericSize {
			continue
		}
		attrs, _ := parseAttributes(m.body[genericSize:])
		if id, told := attrs.u32(nsidID); told {
			list = append(list, int32(id))
		}
	}
	return list
}
