// Package intercepted stands for a package whose tests run on the simulated kernel.
package intercepted

import (
	"errors"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept"
)

func TestMain(m *testing.M) { intercept.Main(m, intercept.Options{}) }

const lo = 1

func TestAttach(t *testing.T) {
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SchedCLS, License: "MIT", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer prog.Close()
	o := link.TCXOptions{Interface: lo, Program: prog, Attach: ebpf.AttachTCXIngress}
	l, err := link.AttachTCX(o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := link.AttachTCX(o); !errors.Is(err, unix.EEXIST) {
		t.Errorf("attached twice: got %v, want EEXIST", err)
	}
}
