//go:build linux

// Command ciliumebpf is an agent on cilium/ebpf that attaches a program to a netkit
// device for a while and then detaches the last of the hook: which is another agent's
// by then, if one has attached meanwhile. With "fixed" behind the device it says which
// one it means. With "stay" it attaches, and that is all.
//
//	nkconform explore --device nk0,nk1 --agent 'guest=./ciliumebpf nk0' --agent 'theirs=./ciliumebpf nk0 stay' \
//		--once-held 'query nk0:primary = [theirs] | = [guest theirs] | = [theirs guest]'
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
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("usage: ciliumebpf DEVICE [fixed|stay]")
	}
	how := append(args, "")[1]
	device, err := net.InterfaceByName(args[0])
	if err != nil {
		return err
	}
	name := "guest"
	if how == "stay" {
		name = "theirs"
	}
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: name, Type: ebpf.SchedCLS, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, -1), asm.Return()}, // on to the next
	})
	if err != nil {
		return err
	}
	defer prog.Close()
	err = link.RawAttachProgram(link.RawAttachProgramOptions{Target: device.Index, Program: prog, Attach: ebpf.AttachNetkitPrimary})
	if err != nil || how == "stay" {
		return err
	}
	detach := link.RawDetachProgramOptions{Target: device.Index, Attach: ebpf.AttachNetkitPrimary, Program: prog}
	if how != "fixed" {
		progs, err := link.QueryPrograms(link.QueryOptions{Target: device.Index, Attach: ebpf.AttachNetkitPrimary})
		if err != nil {
			return err
		}
		last, err := ebpf.NewProgramFromID(progs.Programs[len(progs.Programs)-1].ID)
		if err != nil {
			return err
		}
		defer last.Close()
		detach.Program = last
	}
	return link.RawDetachProgram(detach)
}
