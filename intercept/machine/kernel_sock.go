package machine

// senderSock is the address of the socket that has sent the packet, as a structure that
// begins with struct sock; 0 where there is none.
func (m *run) senderSock(name string) (any, error) {
	s, found, err := m.sender()
	if err != nil || !found {
		return uint64(0), err
	}
	return m.structure(name, s.value)
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
	switch field {
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
	}
	return nil, nil
}
