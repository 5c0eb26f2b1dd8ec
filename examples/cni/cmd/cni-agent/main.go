//go:build linux

// Command cni-agent adds a netkit device as package cni does, and keeps it so:
//
//	nkconform exec --device nk0,nk1 -- cni-agent nk0 10.0.0.1/24
package main

import (
	"fmt"
	"os"

	"github.com/nkconform/nkconform/examples/cni"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: cni-agent DEVICE ADDRESS")
		os.Exit(2)
	}
	if err := add(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "cni-agent:", err)
		os.Exit(1)
	}
	fmt.Println("added", os.Args[1])
}

func add(device, address string) error {
	a, err := cni.Load("/sys/fs/bpf/cni")
	if err != nil {
		return err
	}
	defer a.Close()
	return a.Add(device, address)
}
