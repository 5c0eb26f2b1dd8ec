package machine

import "fmt"

// SYN cookies are made of a secret of the running kernel's, so that nobody else can make
// or check one. A kernel has none to do with where connections come as they should:
// then helpers say so.

const (
	noProtocol = 93 // EPROTONOSUPPORT
	tcpHeader  = 20

	flagFIN = 1 << 0 // of TCP's header
	flagSYN = 1 << 1
	flagRST = 1 << 2
	flagACK = 1 << 4
)

var errSecret = fmt.Errorf("SYN cookies are made of a secret of the running kernel's: %w", ErrUnknown)

// cookieQuestion is what the helpers for SYN cookies of a socket get.
type cookieQuestion struct {
	s       *Socket
	ip, tcp []byte
	SYNCookies
}

func (m *run) cookieQuestion() (q cookieQuestion, err error) {
	if q.s, err = m.socketAt(m.r[1]); err != nil {
		return q, err
	}
	if q.ip, err = m.bytes(m.r[2], int(uint32(m.r[3]))); err != nil {
		return q, err
	}
	if q.tcp, err = m.bytes(m.r[4], int(uint32(m.r[5]))); err != nil {
		return q, err
	}
	if m.packet.Outside == nil {
		return q, ErrUnknown
	}
	q.SYNCookies, err = m.packet.Outside.SYNCookies()
	return q, err
}

func (q *cookieQuestion) listens() bool {
	return q.s.Protocol == protocolTCP && q.s.State == stateListen
}

// version says why the socket takes no packets of such an IP, 0 if it does.
func (q *cookieQuestion) version() (errno int) {
	is6 := q.s.Local.Addr().Is6()
	switch q.ip[0] >> 4 {
	case 4:
		if is6 && q.s.OnlyIPv6 {
			return invalid
		}
	case 6:
		if len(q.ip) < ipv6Header || !is6 {
			return invalid
		}
	default:
		return noProtocol
	}
	return 0
}

// checkCookie is bpf_tcp_check_syncookie.
func (m *run) checkCookie() (uint64, error) {
	q, err := m.cookieQuestion()
	if err != nil {
		return 0, err
	}
	switch {
	case q.s == nil, len(q.tcp) < tcpHeader, !q.listens(), q.Mode == 0:
		return failed(invalid), nil
	case q.tcp[13]&(flagACK|flagRST|flagSYN) != flagACK:
		return failed(noEntry), nil
	case len(q.ip) < ipv4Header:
		return failed(invalid), nil
	case !q.Sent:
		return failed(noEntry), nil
	}
	return 0, errSecret
}

// makeCookie is bpf_tcp_gen_syncookie.
func (m *run) makeCookie() (uint64, error) {
	q, err := m.cookieQuestion()
	if err != nil {
		return 0, err
	}
	switch {
	case q.s == nil, len(q.tcp) < tcpHeader, len(q.tcp) != int(q.tcp[12]>>4)*4, !q.listens():
		return failed(invalid), nil
	case q.Mode == 0:
		return failed(noEntry), nil
	case q.tcp[13]&(flagSYN|flagACK|flagFIN|flagRST) != flagSYN, len(q.ip) < ipv4Header:
		return failed(invalid), nil
	}
	if errno := q.version(); errno != 0 {
		return failed(errno), nil
	}
	if q.Mode != 2 && q.s.Full != nil {
		if full, err := q.s.Full(); err != nil || !full {
			return failed(noEntry), err
		}
	}
	return 0, errSecret
}

// makeRawCookie is bpf_tcp_raw_gen_syncookie_ipv4, and that of IPv6.
func (m *run) makeRawCookie() (uint64, error) {
	tcp, err := m.bytes(m.r[2], int(uint32(m.r[3])))
	switch {
	case err != nil:
		return 0, err
	case len(tcp) < tcpHeader, len(tcp) != int(tcp[12]>>4)*4:
		return failed(invalid), nil
	}
	return 0, errSecret
}

func secret(*run) (uint64, error) { return 0, errSecret }
