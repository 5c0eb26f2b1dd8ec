package link_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// cilium is cilium/ebpf on the running kernel, on a thread with a network
// namespace and a bpf file system of its own.
type cilium struct {
	t       testing.TB
	calls   chan func() // run on the thread
	hook    ebpf.AttachType
	ifindex int
	progs   map[string]*ebpf.Program
	names   map[ebpf.ProgramID]string
	links   map[string]link.Link
	linkIDs map[link.ID]string
}

func newCilium(t testing.TB, hook ebpf.AttachType) *cilium {
	t.Helper()
	if unix.Geteuid() != 0 {
		t.Skip("needs root, to run cilium/ebpf on the running kernel")
	}
	c := &cilium{
		t: t, hook: hook, ifindex: 1, calls: make(chan func()),
		progs: map[string]*ebpf.Program{"nil": nil}, names: map[ebpf.ProgramID]string{},
		links: map[string]link.Link{"nil": nil}, linkIDs: map[link.ID]string{},
	}
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with its namespaces
		for f := range c.calls {
			f()
		}
	}()
	t.Cleanup(func() {
		c.on(func() {
			for _, l := range c.links {
				if l != nil {
					l.Close()
				}
			}
			for _, p := range c.progs {
				p.Close()
			}
		})
		close(c.calls)
	})
	var err error
	c.on(func() { err = c.setUp() })
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPERM) || errors.Is(err, errMounts) {
		t.Skipf("needs netkit and namespaces: %v", err)
	}
	must(t, err)
	return c
}

// on runs a function on the thread and panics as it does.
func (c *cilium) on(f func()) {
	done := make(chan any)
	c.calls <- func() {
		defer func() { done <- recover() }()
		f()
	}
	if r := <-done; r != nil {
		panic(r)
	}
}

// errMounts is that there can be no bpf file system, as within chroot or without /sys.
var errMounts = errors.New("no bpf file system of its own")

func (c *cilium) setUp() error {
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("%w: make mounts private: %w", errMounts, err)
	}
	if err := unix.Mount("bpf", mprog.BPFFS, "bpf", 0, ""); err != nil {
		return fmt.Errorf("%w: mount bpf: %w", errMounts, err)
	}
	if !mprog.AttachType(c.hook).Netkit() {
		return nil
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "nk0"
	nk := &netlink.Netkit{LinkAttrs: attrs, Mode: netlink.NETKIT_MODE_L3}
	peer := netlink.NewLinkAttrs()
	peer.Name = "nk1"
	nk.SetPeerAttrs(&peer)
	if err := netlink.LinkAdd(nk); err != nil {
		return fmt.Errorf("add netkit: %w", err)
	}
	made, err := netlink.LinkByName("nk0")
	if err == nil {
		c.ifindex = made.Attrs().Index
	}
	return err
}

func (c *cilium) prog(name string) *ebpf.Program {
	if p, ok := c.progs[name]; ok {
		return p
	}
	p := c.load(name)
	info, err := p.Info()
	must(c.t, err)
	id, _ := info.ID()
	c.progs[name], c.names[id] = p, name
	return p
}

func (c *cilium) load(name string) *ebpf.Program {
	spec := &ebpf.ProgramSpec{
		Name: name, Type: ebpf.SchedCLS, License: "MIT",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	}
	if name == "xdp" {
		spec.Type = ebpf.XDP
	}
	p, err := ebpf.NewProgram(spec)
	must(c.t, err)
	return p
}

func (c *cilium) id(name string) ebpf.ProgramID {
	c.prog(name)
	for id, n := range c.names {
		if n == name {
			return id
		}
	}
	return 0
}

func (c *cilium) keep(name string, l link.Link, err error) error {
	if err != nil {
		return err
	}
	info, err := l.Info()
	must(c.t, err)
	c.links[name] = l
	if _, ok := c.linkIDs[info.ID]; !ok {
		c.linkIDs[info.ID] = name
	}
	return nil
}

func (c *cilium) linkID(name string) link.ID {
	for id, n := range c.linkIDs {
		if n == name {
			return id
		}
	}
	return 0
}

func (c *cilium) anchor(p place) link.Anchor {
	switch {
	case p.side == "":
		return nil
	case p.side == "head":
		return link.Head()
	case p.side == "tail":
		return link.Tail()
	case p.link != "" && p.byID:
		return pick(p, link.BeforeLinkByID, link.AfterLinkByID, nil)(c.linkID(p.link))
	case p.link != "":
		return pick(p, link.BeforeLink, link.AfterLink, nil)(c.links[p.link])
	case p.byID:
		return pick(p, link.BeforeProgramByID, link.AfterProgramByID, link.ReplaceProgramByID)(c.id(p.prog))
	}
	return pick(p, link.BeforeProgram, link.AfterProgram, link.ReplaceProgram)(c.prog(p.prog))
}

func (c *cilium) do(a call) (err error) {
	c.on(func() { err = c.onThread(a) })
	return err
}

func (c *cilium) onThread(a call) error {
	ifindex := c.ifindex
	if a.ifindex != 0 {
		ifindex = a.ifindex
	}
	switch a.op {
	case "Attach":
		opts := link.NetkitOptions{
			Interface: ifindex, Program: c.prog(a.prog), Attach: c.hook, Anchor: c.anchor(a.at),
			ExpectedRevision: a.revision, Flags: a.flags,
		}
		var l link.Link
		var err error
		if mprog.AttachType(c.hook).Netkit() {
			l, err = link.AttachNetkit(opts)
		} else {
			l, err = link.AttachTCX(link.TCXOptions(opts))
		}
		return c.keep(a.link, l, err)
	case "RawAttach", "RawDetach":
		opts := link.RawAttachProgramOptions{
			Target: ifindex, Program: c.prog(a.prog), Attach: c.hook, Anchor: c.anchor(a.at),
			Flags: a.flags, ExpectedRevision: a.revision,
		}
		if a.op == "RawAttach" {
			return link.RawAttachProgram(opts)
		}
		return link.RawDetachProgram(link.RawDetachProgramOptions(opts))
	case "Query":
		_, err := link.QueryPrograms(link.QueryOptions{Target: ifindex, Attach: c.hook, QueryFlags: a.query})
		return err
	case "CloseProgram":
		return c.prog(a.prog).Close()
	case "NewFromID":
		l, err := link.NewFromID(c.linkID(a.old))
		return c.keep(a.link, l, err)
	case "LoadPinnedLink":
		l, err := link.LoadPinnedLink(a.path, nil)
		return c.keep(a.link, l, err)
	case "high ids":
		for id := ebpf.ProgramID(0); id < highID; {
			p := c.load("")
			info, err := p.Info()
			must(c.t, err)
			id, _ = info.ID()
			must(c.t, p.Close())
		}
		return nil
	}
	return c.onLink(c.links[a.link], a)
}

func (c *cilium) onLink(l link.Link, a call) error {
	switch a.op {
	case "Update":
		return l.Update(c.prog(a.prog))
	case "UpdateArgs":
		opts := link.RawLinkUpdateOptions{New: c.prog(a.prog), Flags: a.flags}
		if a.old != "" {
			opts.Old = c.prog(a.old)
		}
		return l.(interface {
			UpdateArgs(link.RawLinkUpdateOptions) error
		}).UpdateArgs(opts)
	case "Detach":
		return l.(interface{ Detach() error }).Detach()
	case "Close":
		return l.Close()
	case "Pin":
		return l.Pin(a.path)
	case "Unpin":
		return l.Unpin()
	case "IsPinned":
		return fmt.Errorf("pinned %v", l.(interface{ IsPinned() bool }).IsPinned())
	case "Info":
		info, err := l.Info()
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%s program %s", c.linkIDs[info.ID], c.names[info.Program])
		if n := info.Netkit(); n != nil {
			return fmt.Errorf("%s netkit %v %d", text, n.Ifindex != 0, n.AttachType)
		}
		return fmt.Errorf("%s tcx %v %d", text, info.TCX().Ifindex != 0, info.TCX().AttachType)
	}
	panic(a.op)
}

func (c *cilium) list() (s string) {
	c.on(func() {
		res, err := link.QueryPrograms(link.QueryOptions{Target: c.ifindex, Attach: c.hook})
		if err != nil {
			s = render(0, nil, err)
			return
		}
		var progs []string
		for _, p := range res.Programs {
			name := c.names[p.ID]
			if id, ok := p.LinkID(); ok {
				name += "@" + c.linkIDs[id]
			}
			progs = append(progs, name)
		}
		s = render(res.Revision, progs, nil)
	})
	return s
}
