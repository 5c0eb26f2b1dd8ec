package link_test

import (
	"fmt"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/nkconform/nkconform/api/link"
	"github.com/nkconform/nkconform/mprog"
)

// ours is this package on some environment.
type ours struct {
	t       testing.TB
	k       mprog.Environment
	hook    ebpf.AttachType
	ifindex int
	progs   map[string]*link.Program
	names   map[ebpf.ProgramID]string
	links   map[string]link.Link
	linkIDs map[link.ID]string
}

func newOurs(t testing.TB, k mprog.Environment, hook ebpf.AttachType) *ours {
	o := &ours{
		t: t, k: k, hook: hook, ifindex: 1,
		progs: map[string]*link.Program{"nil": nil}, names: map[ebpf.ProgramID]string{},
		links: map[string]link.Link{"nil": nil}, linkIDs: map[link.ID]string{},
	}
	if mprog.AttachType(hook).Netkit() {
		if err := k.Supports(mprog.FeatureNetkit); err != nil {
			t.Skip(err)
		}
		ifindex, _, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"})
		must(t, err)
		o.ifindex = int(ifindex)
	} else if err := k.Supports(mprog.FeatureTCX); err != nil {
		t.Skip(err)
	}
	return o
}

func (o *ours) prog(name string) *link.Program {
	if p, ok := o.progs[name]; ok {
		return p
	}
	spec := mprog.ProgSpec{Name: name}
	if name == "xdp" {
		spec.Type = mprog.XDP
	}
	p, err := link.NewProgram(o.k, spec)
	must(o.t, err)
	info, err := p.Info()
	must(o.t, err)
	id, _ := info.ID()
	o.progs[name], o.names[id] = p, name
	return p
}

func (o *ours) id(name string) ebpf.ProgramID {
	o.prog(name)
	for id, n := range o.names {
		if n == name {
			return id
		}
	}
	return 0
}

func (o *ours) keep(name string, l link.Link, err error) error {
	if err != nil {
		return err
	}
	info, err := l.Info()
	must(o.t, err)
	o.links[name] = l
	if _, ok := o.linkIDs[info.ID]; !ok {
		o.linkIDs[info.ID] = name
	}
	return nil
}

func (o *ours) linkID(name string) link.ID {
	for id, n := range o.linkIDs {
		if n == name {
			return id
		}
	}
	return 0
}

func (o *ours) anchor(p place) link.Anchor {
	switch {
	case p.side == "":
		return nil
	case p.side == "head":
		return link.Head()
	case p.side == "tail":
		return link.Tail()
	case p.link != "" && p.byID:
		return pick(p, link.BeforeLinkByID, link.AfterLinkByID, nil)(o.linkID(p.link))
	case p.link != "":
		return pick(p, link.BeforeLink, link.AfterLink, nil)(o.links[p.link])
	case p.byID:
		return pick(p, link.BeforeProgramByID, link.AfterProgramByID, link.ReplaceProgramByID)(o.id(p.prog))
	}
	return pick(p, link.BeforeProgram, link.AfterProgram, link.ReplaceProgram)(o.prog(p.prog))
}

func (o *ours) do(c call) error {
	ifindex := o.ifindex
	if c.ifindex != 0 {
		ifindex = c.ifindex
	}
	switch c.op {
	case "Attach":
		opts := link.NetkitOptions{
			Interface: ifindex, Program: o.prog(c.prog), Attach: o.hook, Anchor: o.anchor(c.at),
			ExpectedRevision: c.revision, Flags: c.flags,
		}
		var l link.Link
		var err error
		if mprog.AttachType(o.hook).Netkit() {
			l, err = link.AttachNetkit(o.k, opts)
		} else {
			l, err = link.AttachTCX(o.k, link.TCXOptions(opts))
		}
		return o.keep(c.link, l, err)
	case "RawAttach", "RawDetach":
		opts := link.RawAttachProgramOptions{
			Target: ifindex, Program: o.prog(c.prog), Attach: o.hook, Anchor: o.anchor(c.at),
			Flags: c.flags, ExpectedRevision: c.revision,
		}
		if c.op == "RawAttach" {
			return link.RawAttachProgram(o.k, opts)
		}
		return link.RawDetachProgram(o.k, link.RawDetachProgramOptions(opts))
	case "Query":
		_, err := link.QueryPrograms(o.k, link.QueryOptions{Target: ifindex, Attach: o.hook, QueryFlags: c.query})
		return err
	case "CloseProgram":
		return o.prog(c.prog).Close()
	case "NewFromID":
		l, err := link.NewFromID(o.k, o.linkID(c.old))
		return o.keep(c.link, l, err)
	case "LoadPinnedLink":
		l, err := link.LoadPinnedLink(o.k, c.path, nil)
		return o.keep(c.link, l, err)
	case "high ids":
		for id := ebpf.ProgramID(0); id < highID; {
			p, err := link.NewProgram(o.k, mprog.ProgSpec{})
			must(o.t, err)
			info, err := p.Info()
			must(o.t, err)
			id, _ = info.ID()
			must(o.t, p.Close())
		}
		return nil
	}
	return o.onLink(o.links[c.link], c)
}

func (o *ours) onLink(l link.Link, c call) error {
	switch c.op {
	case "Update":
		return l.Update(o.prog(c.prog))
	case "UpdateArgs":
		opts := link.RawLinkUpdateOptions{New: o.prog(c.prog), Flags: c.flags}
		if c.old != "" {
			opts.Old = o.prog(c.old)
		}
		return l.(interface {
			UpdateArgs(link.RawLinkUpdateOptions) error
		}).UpdateArgs(opts)
	case "Detach":
		return l.Detach()
	case "Close":
		return l.Close()
	case "Pin":
		return l.Pin(c.path)
	case "Unpin":
		return l.Unpin()
	case "IsPinned":
		return fmt.Errorf("pinned %v", l.(interface{ IsPinned() bool }).IsPinned())
	case "Info":
		info, err := l.Info()
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%s program %s", o.linkIDs[info.ID], o.names[info.Program])
		if n := info.Netkit(); n != nil {
			return fmt.Errorf("%s netkit %v %d", text, n.Ifindex != 0, n.AttachType)
		}
		return fmt.Errorf("%s tcx %v %d", text, info.TCX().Ifindex != 0, info.TCX().AttachType)
	}
	panic(c.op)
}

func (o *ours) list() string {
	res, err := link.QueryPrograms(o.k, link.QueryOptions{Target: o.ifindex, Attach: o.hook})
	if err != nil {
		return render(0, nil, err)
	}
	var progs []string
	for _, p := range res.Programs {
		name := o.names[p.ID]
		if id, ok := p.LinkID(); ok {
			name += "@" + o.linkIDs[id]
		}
		progs = append(progs, name)
	}
	return render(res.Revision, progs, nil)
}

// highID is above all fds that are open.
const highID = 300

// pick chooses the constructor of an anchor.
func pick[T any](p place, before, after, replace T) T {
	switch p.side {
	case "before":
		return before
	case "after":
		return after
	}
	return replace
}
