// Package consumer stands for a module that tests with nkconform.
package consumer

import (
	"errors"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/api/link"
	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// Code written for cilium/ebpf, on the simulated kernel.
func TestLink(t *testing.T) {
	k := fake.NewT(t)
	nk0, _, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"})
	if err != nil {
		t.Fatal(err)
	}
	prog, err := link.NewProgram(k, mprog.ProgSpec{Name: "mine"})
	if err != nil {
		t.Fatal(err)
	}
	defer prog.Close()
	o := link.NetkitOptions{Interface: int(nk0), Program: prog, Attach: ebpf.AttachNetkitPrimary}
	l, err := link.AttachNetkit(k, o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := link.AttachNetkit(k, o); !errors.Is(err, unix.EEXIST) {
		t.Errorf("attached twice: got %v, want EEXIST", err)
	}
}

func TestConformance(t *testing.T) {
	conformance.Test(t, func(testing.TB) mprog.Environment { return fake.New() })
}
