package main

import (
	"fmt"
	"net"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

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
