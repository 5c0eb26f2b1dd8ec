package machine

import "fmt"

// fullSocket is bpf_sk_fullsock.
func (m *run) fullSocket() (uint64, error) {
	s, err := m.socketAt(m.r[1])
	if err != nil || s == nil || !s.whole() {
		return 0, err
	}
	return m.r[1], nil
}

// releaseSocket is bpf_sk_release.
func (m *run) releaseSocket() (uint64, error) {
	_, err := m.socketAt(m.r[1])
	return 0, err
}

// listener is bpf_get_listener_sock: a socket that listens, itself; of a request for a
// connection the one that it has come to.
func (m *run) listener() (uint64, error) {
	s, err := m.socketAt(m.r[1])
	if err != nil || s == nil {
		return 0, err
	}
	switch s.State {
	case stateListen:
		return m.r[1], nil
	case stateNewReceived:
		of, found, err := wholeOf(m.packet.Outside, s.question(), *s)
		if err != nil || !found {
			return 0, err
		}
		return m.socket(&of), nil
	}
	return 0, nil
}

// question is who gets what is sent to the socket from where it sends to.
func (s *Socket) question() SocketQuestion {
	return SocketQuestion{Protocol: s.Protocol, Remote: s.Remote, Local: s.Local, Ifindex: s.Ifindex}
}

// castSocket is one of bpf_skc_to_...: the socket as a structure of the kernel's, 0 if it
// is none.
func castSocket(name string, is func(*Socket) bool) helper {
	return func(m *run) (uint64, error) {
		s, err := m.socketAt(m.r[1])
		if err != nil || s == nil || !is(s) {
			return 0, err
		}
		return m.kernelSocket(name, s)
	}
}

func (s *Socket) tcp6() bool { return s.tcp() && s.Local.Addr().Is6() }

func (s *Socket) udp6() bool {
	return s.whole() && s.Protocol == protocolUDP && s.Local.Addr().Is6()
}

func (s *Socket) timeWait() bool { return s.Protocol == protocolTCP && s.State == stateTimeWait }

func (s *Socket) request() bool { return s.Protocol == protocolTCP && s.State == stateNewReceived }

// castMPTCP is bpf_skc_to_mptcp_sock: whether a socket of TCP is a part of MPTCP's nobody
// tells.
func (m *run) castMPTCP() (uint64, error) {
	s, err := m.socketAt(m.r[1])
	if err != nil || s == nil || !s.tcp() {
		return 0, err
	}
	return 0, fmt.Errorf("a socket of TCP, which may be a part of MPTCP's: %w", ErrUnknown)
}

// assignSocket is bpf_sk_assign: the socket gets the packet that arrives, and is its own
// from now on.
func (m *run) assignSocket() (uint64, error) {
	s, err := m.socketAt(m.r[2])
	p := m.packet
	switch {
	case err != nil:
		return 0, err
	case s == nil, m.r[3] != 0:
		return failed(invalid), nil
	case !p.Ingress:
		return failed(notOperation), nil
	}
	p.Sender, p.Assigned, m.sock = s, s, 0
	return 0, nil
}
