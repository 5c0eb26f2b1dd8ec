package machine

import "github.com/nkconform/nkconform/intercept/layout"

// tcpFields are those of struct bpf_tcp_sock.
var tcpFields = map[string]layout.Field{}

// tcpInfo is where struct tcp_info has what a field of struct bpf_tcp_sock is, and of how
// many bytes it is there; of the others nobody tells.
var tcpInfo = map[string]layout.Field{
	"snd_cwnd": {Offset: 80, Size: 4}, "rtt_min": {Offset: 148, Size: 4}, "snd_ssthresh": {Offset: 76, Size: 4}, "mss_cache": {Offset: 16, Size: 4},
	"packets_out": {Offset: 24, Size: 4}, "sacked_out": {Offset: 28, Size: 4}, "lost_out": {Offset: 32, Size: 4},
	"retrans_out": {Offset: 36, Size: 4}, "total_retrans": {Offset: 100, Size: 4}, "icsk_retransmits": {Offset: 2, Size: 1},
	"bytes_acked": {Offset: 120, Size: 8}, "bytes_received": {Offset: 128, Size: 8}, "segs_out": {Offset: 136, Size: 4}, "segs_in": {Offset: 140, Size: 4},
	"data_segs_in": {Offset: 152, Size: 4}, "data_segs_out": {Offset: 156, Size: 4}, "delivered": {Offset: 192, Size: 4},
	"delivered_ce": {Offset: 196, Size: 4}, "dsack_dups": {Offset: 216, Size: 4},
}

func init() {
	at := uint32(0)
	for _, name := range []string{"snd_cwnd", "srtt_us", "rtt_min", "snd_ssthresh", "rcv_nxt", "snd_nxt", "snd_una", "mss_cache", "ecn_flags",
		"rate_delivered", "rate_interval_us", "packets_out", "retrans_out", "total_retrans", "segs_in", "data_segs_in", "segs_out", "data_segs_out",
		"lost_out", "sacked_out", "bytes_received", "bytes_acked", "dsack_dups", "delivered", "delivered_ce", "icsk_retransmits"} {
		size := uint32(4)
		if name == "bytes_received" || name == "bytes_acked" {
			size = 8
		}
		tcpFields[name] = layout.Field{Offset: at, Size: size}
		at += size
	}
}

// tcpSocket is bpf_tcp_sock: a socket of TCP, as far as struct tcp_info tells.
func (m *run) tcpSocket() (uint64, error) {
	s, err := m.socketAt(m.r[1])
	if err != nil || s == nil || !s.tcp() {
		return 0, err
	}
	return m.ofSocket(s, m.object("bpf_tcp_sock", tcpFields, func(field string) (any, error) {
		f, told := tcpInfo[field]
		if !told || s.TCP == nil || s.State == stateListen && field != "snd_cwnd" {
			return nil, nil
		}
		p, err := s.TCP()
		if err != nil || int(f.Offset+f.Size) > len(p) {
			return nil, err
		}
		return number(p[f.Offset:], int(f.Size)), nil
	})), nil
}
