package conformance

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// player performs the statements of a trace on an environment.
type player struct {
	env    mprog.Environment
	names  *scope
	progs  mprog.ProgSpec       // what all programs have in common
	reason error                // the refusal of the last statement, as the environment gave it
	follow func(from, to place) // is told that a device has moved
	whole  wholeHook
	acting func(bool) // is told when a statement's own calls begin, and that they have ended; nil: nobody asks
}

func newPlayer(env mprog.Environment, f *trace.File) *player {
	return &player{env: env, names: newScope(), progs: programs(f), follow: func(from, to place) {}}
}

// do performs one statement. The error is not a refusal, which is an outcome,
// but the environment's inability to perform the statement at all.
func (p *player) do(s *trace.Statement) (trace.Outcome, error) {
	p.reason = nil
	perform, ok := steps[s.Verb]
	if !ok {
		return trace.Outcome{}, fmt.Errorf("%w: statement %s", mprog.ErrUnsupported, s.Verb)
	}
	if p.acting != nil {
		p.acting(true)
		defer p.acting(false)
	}
	return perform(p, s)
}

// outcome turns a call's error into an outcome.
func (p *player) outcome(err error) (trace.Outcome, error) {
	p.reason = err
	errno, ok := mprog.ErrnoOf(err)
	if !ok || errors.Is(err, mprog.ErrUnsupported) {
		return trace.Outcome{}, err
	}
	return trace.Outcome{Errno: errno}, nil
}

var steps = map[string]func(*player, *trace.Statement) (trace.Outcome, error){
	"for":         (*player).kinds,
	"need":        (*player).need,
	"netkit":      (*player).device,
	"device":      (*player).anyDevice,
	"veth":        (*player).device,
	"dummy":       (*player).device,
	"delete":      (*player).deleteDevice,
	"prog":        (*player).prog,
	"attach":      (*player).attach,
	"detach":      (*player).detach,
	"query":       (*player).query,
	"link":        (*player).link,
	"link-update": (*player).linkUpdate,
	"link-detach": (*player).linkDetach,
	"info":        (*player).info,
	"close":       (*player).close,

	"qdisc":         (*player).qdisc,
	"qdisc-delete":  (*player).qdisc,
	"filter":        (*player).filter,
	"filter-delete": (*player).filter,
	"filter-list":   (*player).filterList,

	"cgroup":        (*player).cgroup,
	"cgroup-remove": (*player).cgroupRemove,
	"cgroup-enter":  (*player).cgroupEnter,
	"datagram":      (*player).datagram,

	"netns":     (*player).netns,
	"move":      (*player).move,
	"end":       (*player).end,
	"process":   (*player).process,
	"exit":      (*player).exit,
	"send":      (*player).send,
	"prog-fd":   (*player).progFD,
	"link-fd":   (*player).linkFD,
	"prog-next": (*player).progNext,
	"link-next": (*player).linkNext,
	"pin":       (*player).pin,
	"get":       (*player).get,
	"unlink":    (*player).unlink,
	"dup":       (*player).dup,
	"bpf":       (*player).command,
}

// kinds is about the file, not the kernel: see [trace.Variants].
func (p *player) kinds(*trace.Statement) (trace.Outcome, error) { return trace.Outcome{}, nil }

func (p *player) need(s *trace.Statement) (trace.Outcome, error) {
	for _, word := range s.Operands {
		f, absent := trace.ParseNeed(word)
		err := p.env.Supports(f)
		switch {
		case absent && err == nil:
			err = fmt.Errorf("%w: this one has it", mprog.ErrUnsupported)
		case absent && errors.Is(err, mprog.ErrUnsupported):
			err = nil
		}
		if err != nil && absent {
			return trace.Outcome{}, fmt.Errorf("needs a kernel without %s: %w", f, err)
		}
		if err != nil {
			return trace.Outcome{}, fmt.Errorf("needs %s: %w", f, err)
		}
	}
	return trace.Outcome{}, nil
}

func (p *player) device(s *trace.Statement) (trace.Outcome, error) {
	spec := mprog.DeviceSpec{Kind: mprog.DeviceKind(s.Verb), Name: s.Operands[0]}
	spec.Mode, _ = trace.ParseMode(param(s, "mode"))
	spec.Policy, _ = trace.ParsePolicy(param(s, "policy"))
	spec.PeerPolicy, _ = trace.ParsePolicy(param(s, "peer_policy"))
	if len(s.Operands) > 1 {
		spec.Peer = s.Operands[1]
	}
	ifindex, peer, err := p.env.AddDevice(spec)
	if err == nil {
		p.names.ifindex[spec.Name], p.names.device[ifindex] = ifindex, spec.Name
		if spec.Peer != "" {
			p.names.ifindex[spec.Peer], p.names.device[peer] = peer, spec.Peer
			p.names.pair[spec.Name], p.names.pair[spec.Peer] = spec.Peer, spec.Name
		}
	}
	return p.outcome(err)
}

func (p *player) anyDevice(s *trace.Statement) (trace.Outcome, error) {
	return p.each(s, func(name string) error {
		ifindex, _, err := p.env.AddDevice(mprog.DeviceSpec{Kind: mprog.AnyDevice, Name: name})
		if err == nil {
			p.names.ifindex[name], p.names.device[ifindex] = ifindex, name
		}
		return err
	})
}

func (p *player) deleteDevice(s *trace.Statement) (trace.Outcome, error) {
	return p.outcome(p.env.DeleteDevice(resolve(s.Operands[0], p.names.ifindex)))
}

func (p *player) prog(s *trace.Statement) (trace.Outcome, error) {
	spec := p.progs
	spec.Return = int32(number(s, "return"))
	if t, ok := s.Param("type"); ok {
		spec.Type, _ = trace.ParseProgType(t)
	}
	if t, ok := s.Param("expected_attach_type"); ok {
		spec.Expected, _ = trace.ParseAttachType(t)
	}
	return p.each(s, func(name string) error {
		spec.Name = name
		fd, err := p.env.LoadProg(spec)
		if err != nil {
			return err
		}
		info, err := p.env.ObjectInfo(fd)
		p.names.fd[name], p.names.id[name], p.names.prog[info.ID] = fd, info.ID, name
		return err
	})
}

// each performs a statement for every name that its last operands stand for,
// until one is refused.
func (p *player) each(s *trace.Statement, call func(word string) error) (trace.Outcome, error) {
	words := s.Operands
	if s.Verb == "attach" || s.Verb == "detach" {
		words = words[1:]
	}
	for _, w := range words {
		names, err := trace.Expand(w)
		if err != nil {
			return trace.Outcome{}, err
		}
		for _, n := range names {
			if err := call(n); err != nil {
				return p.outcome(err)
			}
		}
	}
	return trace.Outcome{}, nil
}

// param returns a parameter as written, "" when absent.
func param(s *trace.Statement, key string) string {
	v, _ := s.Param(key)
	return v
}

// number returns a parameter that is a number of 32 bits, 0 when absent.
func number(s *trace.Statement, key string) (n uint32) {
	if v, ok := s.Param(key); ok {
		n, _ = trace.ParseNumber(v)
	}
	return n
}

func number64(s *trace.Statement, key string) (n uint64) {
	if v, ok := s.Param(key); ok {
		n, _ = strconv.ParseUint(v, 0, 64)
	}
	return n
}

func flagsOf(s *trace.Statement) mprog.Flags {
	v, ok := s.Param("flags")
	if !ok {
		return 0
	}
	f, _ := mprog.ParseFlags(v)
	return f
}

func shapeOf(s *trace.Statement) mprog.Shape {
	return mprog.Shape{Size: number(s, "size"), Junk: number(s, "junk")}
}

// fdParam returns the fd that a parameter names, 0 when absent.
func (p *player) fdParam(s *trace.Statement, key string) uint32 {
	v, ok := s.Param(key)
	if !ok {
		return 0
	}
	return resolve(v, p.names.fd)
}

// relative returns the field that relative_fd and relative_id share.
func (p *player) relative(s *trace.Statement) uint32 {
	if v, ok := s.Param("relative_id"); ok {
		return p.names.resolveID(v)
	}
	return p.fdParam(s, "relative_fd")
}
