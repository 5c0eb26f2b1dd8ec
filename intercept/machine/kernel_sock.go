package machine

import "strings"

// senderSock is the address of the socket that has sent the packet, as struct sock; 0
// where there is none.
func (m *run) senderSock() (any, error) {
	s, found, err := m.sender()
	if err != nil || !found {
		return uint64(0), err
	}
	return m.kernelSocket("sock", &s)
}

// kernelSocket makes a socket reachable as one of the kernel's structures that begin with
// struct sock, or with what all sockets have.
func (m *run) kernelSocket(name string, s *Socket) (uint64, error) {
	address, err := m.structure(name, s.value)
	if err != nil {
		return 0, err
	}
	return m.ofSocket(s, address), nil
}

// common is how a field is called in struct sock that other structures have somewhere
// within.
func common(field string) string {
	for _, of := range []string{"__req_common.", "__tw_common."} {
		if _, of, ok := strings.Cut(field, of); ok {
			return "__sk_common." + of
		}
	}
	if at := strings.LastIndex(field, ".sk."); at >= 0 {
		return field[at+len(".sk."):]
	}
	return field
}

// value is a field of struct sock.
func (s *Socket) value(field string) (any, error) {
	family, local, remote := uint64(0), s.Local.Addr(), s.Remote.Addr()
	switch {
	case local.Is4():
		family = familyIPv4
	case local.Is6():
		family = familyIPv6
	}
	switch common(field) {
	case "__sk_common.skc_family":
		return family, nil
	case "__sk_common.skc_state":
		return uint64(s.State), nil
	case "__sk_common.skc_num":
		return uint64(s.Local.Port()), nil
	case "__sk_common.skc_dport":
		return uint64(swap16(s.Remote.Port())), nil
	case "__sk_common.skc_rcv_saddr":
		if local.Is4() {
			return local.AsSlice(), nil
		}
	case "__sk_common.skc_daddr":
		if remote.Is4() {
			return remote.AsSlice(), nil
		}
	case "__sk_common.skc_v6_rcv_saddr":
		if local.Is6() {
			return local.AsSlice(), nil
		}
	case "__sk_common.skc_v6_daddr":
		if remote.Is6() {
			return remote.AsSlice(), nil
		}
	case "__sk_common.skc_bound_dev_if":
		return uint64(s.Ifindex), nil
	case "sk_mark":
		return uint64(s.Mark), nil
	case "sk_protocol":
		return uint64(s.Protocol), nil
	case "sk_priority":
		if s.Priority != nil {
			v, err := s.Priority()
			return uint64(v), err
		}
	}
	return nil, nil
}
