package sim

import "github.com/nkconform/nkconform/mprog"

const progReuseport = 21 // BPF_PROG_TYPE_SK_REUSEPORT

// SocketProgram is a program at a socket.
type SocketProgram struct {
	sim *Sim
	at  *attached
}

// AttachSocket gives a socket a program: that of setsockopt's SO_ATTACH_BPF, or of
// SO_ATTACH_REUSEPORT_EBPF (sk_attach_bpf, sk_reuseport_attach_bpf). It fails with EBADF
// or EINVAL for a program's fd that is none.
func (s *Sim) AttachSocket(c Caller, fd uint32, reuseport bool) (*SocketProgram, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := &call{Sim: s, caller: c}
	o, p, err := k.progByFD("value", fd)
	if err != nil {
		return nil, err
	}
	if p.typ != uint32(mprog.SocketFilter) && (!reuseport || p.typ != progReuseport) {
		return nil, refuse("socket/type", mprog.EINVAL, "a socket takes no program of type %d", p.typ)
	}
	if err := k.refusedKind("socket_filter"); err != nil {
		return nil, err
	}
	k.neverRuns("socket filter/" + p.label())
	return &SocketProgram{s, s.attach(o, p)}, nil
}

// Close says that the socket is closed, or has another program.
func (a *SocketProgram) Close() {
	a.sim.mu.Lock()
	defer a.sim.mu.Unlock()
	a.sim.drop(a.at)
}
