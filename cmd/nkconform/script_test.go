package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nkconform/nkconform/internal/doctor"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"nkconform": main, "ask": ask})
}

// ask is an agent that asks which programs the PRIMARY hook of a device holds.
func ask() {
	device, err := net.InterfaceByName(os.Args[1])
	if err == nil {
		_, err = link.QueryPrograms(link.QueryOptions{Target: device.Index, Attach: ebpf.AttachNetkitPrimary})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ask:", err)
		os.Exit(1)
	}
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Condition: condition})
}

// condition is [can:tun]: that the machine can do what the check tun of doctor tries.
func condition(c string) (bool, error) {
	name, ok := strings.CutPrefix(c, "can:")
	if !ok {
		return false, fmt.Errorf("condition %q: expected can:CHECK", c)
	}
	err := doctor.Can(name)
	if errors.Is(err, doctor.ErrUnknown) {
		return false, err
	}
	return err == nil, nil
}
