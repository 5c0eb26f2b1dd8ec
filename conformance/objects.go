package conformance

import (
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// caller is the process that makes a statement's call.
func (p *player) caller(s *trace.Statement) mprog.Kernel {
	if s.Process == "" {
		return p.env
	}
	return p.names.process[s.Process]
}

func (p *player) netns(s *trace.Statement) (trace.Outcome, error) {
	return p.each(s, func(name string) error {
		n, err := p.env.NewNetns()
		p.names.netns[name] = n
		return err
	})
}

func (p *player) move(s *trace.Statement) (trace.Outcome, error) {
	device := s.Operands[0]
	ifindex := resolve(device, p.names.ifindex)
	to := place{netns: p.names.netns[s.Operands[1]]}
	moved, err := p.env.MoveDevice(ifindex, to.netns)
	if err == nil {
		from := place{Hook: mprog.Hook{Ifindex: ifindex}}
		to.Ifindex = moved
		p.names.moved(device, from, to)
		p.follow(from, to)
	}
	return p.outcome(err)
}

func (p *player) end(s *trace.Statement) (trace.Outcome, error) {
	n := p.names.netns[s.Operands[0]]
	err := p.env.EndNetns(n)
	if err == nil {
		p.names.closed[n] = true
	}
	return p.outcome(err)
}

func (p *player) process(s *trace.Statement) (trace.Outcome, error) {
	spec := mprog.ProcessSpec{Netns: p.names.netns[param(s, "netns")]}
	spec.Without, _ = trace.ParseCapabilities(param(s, "without"))
	process, err := p.env.NewProcess(spec)
	if err == nil {
		p.names.started(s.Operands[0], process, spec)
	}
	return p.outcome(err)
}

func (p *player) exit(s *trace.Statement) (trace.Outcome, error) {
	p.names.exited(s.Operands[0])
	return p.outcome(p.names.process[s.Operands[0]].Exit())
}

func (p *player) send(s *trace.Statement) (trace.Outcome, error) {
	d, err := p.env.Transmit(resolve(s.Operands[0], p.names.ifindex))
	if err != nil {
		return p.outcome(err)
	}
	return p.delivered(d), nil
}

// delivered says what became of a packet.
func (p *player) delivered(d mprog.Delivery) trace.Outcome {
	packet := "dropped"
	if d.Delivered {
		packet = "delivered"
	}
	return trace.Outcome{
		Fields: []trace.Field{{Name: "packet", Value: packet}},
		List:   p.names.entries(d.Ran, nil), Listed: true,
	}
}

func (p *player) idRequest(s *trace.Statement, word string) mprog.IDRequest {
	return mprog.IDRequest{
		Shape: shapeOf(s), ID: p.names.resolveID(word), OpenFlags: number(s, "open_flags"),
	}
}

func (p *player) progFD(s *trace.Statement) (trace.Outcome, error) {
	fd, err := p.caller(s).ProgFDByID(p.idRequest(s, s.Operands[1]))
	return p.opened(s, fd, s.Operands[1], err)
}

func (p *player) linkFD(s *trace.Statement) (trace.Outcome, error) {
	fd, err := p.caller(s).LinkFDByID(p.idRequest(s, s.Operands[1]))
	return p.opened(s, fd, s.Operands[1], err)
}

// opened names a new fd of an object.
func (p *player) opened(s *trace.Statement, fd uint32, object string, err error) (trace.Outcome, error) {
	if err == nil {
		p.names.bind(s.Operands[0], fd, object)
	}
	return p.outcome(err)
}

func (p *player) progNext(s *trace.Statement) (trace.Outcome, error) {
	id, err := p.caller(s).ProgNextID(p.idRequest(s, s.Operands[0]))
	return p.nextID(p.names.prog, id, err)
}

func (p *player) linkNext(s *trace.Statement) (trace.Outcome, error) {
	id, err := p.caller(s).LinkNextID(p.idRequest(s, s.Operands[0]))
	return p.nextID(p.names.link, id, err)
}

func (p *player) nextID(names map[uint32]string, id uint32, err error) (trace.Outcome, error) {
	o, err := p.outcome(err)
	if err == nil && o.Errno == 0 {
		o.Fields = []trace.Field{{Name: "next_id", Value: name(names, id)}}
	}
	return o, err
}

func (p *player) pin(s *trace.Statement) (trace.Outcome, error) {
	path, object := s.Operands[0], s.Operands[1]
	err := p.caller(s).ObjPin(mprog.PinRequest{
		Shape: shapeOf(s), Path: path, FD: resolve(object, p.names.fd), Flags: number(s, "file_flags"),
	})
	if err == nil {
		p.names.pin[path] = object
	}
	return p.outcome(err)
}

func (p *player) get(s *trace.Statement) (trace.Outcome, error) {
	path := s.Operands[1]
	fd, err := p.caller(s).ObjGet(mprog.GetRequest{
		Shape: shapeOf(s), Path: path, Flags: number(s, "file_flags"),
	})
	return p.opened(s, fd, p.names.pin[path], err)
}

func (p *player) unlink(s *trace.Statement) (trace.Outcome, error) {
	return p.outcome(p.caller(s).Unlink(s.Operands[0]))
}

func (p *player) dup(s *trace.Statement) (trace.Outcome, error) {
	fd, err := p.caller(s).Dup(resolve(s.Operands[1], p.names.fd))
	return p.opened(s, fd, s.Operands[1], err)
}

func (p *player) command(s *trace.Statement) (trace.Outcome, error) {
	n, _ := trace.ParseNumber(s.Operands[0])
	return p.outcome(p.caller(s).Command(mprog.CommandRequest{Shape: shapeOf(s), Command: n}))
}
