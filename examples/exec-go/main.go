//go:build linux

// Command exec-go attaches programs to the netkit device nk0 with cilium/ebpf,
// as any agent would, and prints what came of it. It knows nothing of this
// project:
//
//	go build -o agent ./examples/exec-go
//	nkconform exec --device nk0,nk1 -- ./agent
package main

import (
	"fmt"
	"net"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func load(name string) (*ebpf.Program, error) {
	return ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: name, Type: ebpf.SchedCLS, License: "MIT",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, -1), asm.Return()},
	})
}

func run() error {
	device, err := net.InterfaceByName("nk0")
	if err != nil {
		return err
	}
	a, err := load("a")
	if err != nil {
		return err
	}
	b, err := load("b")
	if err != nil {
		return err
	}
	attach := func(p *ebpf.Program, anchor link.Anchor, revision uint64) (link.Link, error) {
		return link.AttachNetkit(link.NetkitOptions{
			Program: p, Interface: device.Index, Attach: ebpf.AttachNetkitPrimary,
			Anchor: anchor, ExpectedRevision: revision,
		})
	}
	la, err := attach(a, nil, 0)
	if err != nil {
		return fmt.Errorf("attach a: %w", err)
	}
	_, err = attach(b, nil, 1)
	fmt.Println("attach b at revision 1:", err)
	_, err = attach(a, nil, 0)
	fmt.Println("attach a again:", err)
	lb, err := attach(b, link.BeforeLink(la), 2)
	if err != nil {
		return fmt.Errorf("attach b: %w", err)
	}
	query := func() error {
		q, err := link.QueryPrograms(link.QueryOptions{Target: device.Index, Attach: ebpf.AttachNetkitPrimary})
		if err != nil {
			return err
		}
		fmt.Printf("revision %d, %d programs\n", q.Revision, len(q.Programs))
		return nil
	}
	if err := query(); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	if err := lb.Close(); err != nil {
		return err
	}
	return query()
}
