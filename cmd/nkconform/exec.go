package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nkconform/nkconform/intercept"
	"github.com/nkconform/nkconform/intercept/sim"
)

// execOptions are the flags of exec.
type execOptions struct {
	devices  []string
	faults   []string
	verdicts map[string]int32
	explain  bool
	host     bool
}

func execCommand() *cobra.Command {
	var o execOptions
	c := &cobra.Command{
		Use:   "exec [flags] -- PROGRAM [ARGUMENT...]",
		Short: "Run an unmodified program on the simulated kernel",
		Long: `Exec runs a program, in any language and unchanged, whose bpf(2) the simulated
kernel answers, and nobody else: no root, no netkit in the running kernel.
Standard input and output, signals and the exit status are the program's.

The program runs as root of namespaces of its own, in which /sys/fs/bpf is a
simulated bpf file system, if the system permits that to the caller.`,
		Example: `  go test -exec 'nkconform exec --' ./...
  nkconform exec --explain -- ./agent
  nkconform exec --device nk0,nk1 --fail link-create:2=ENOMEM -- ./agent`,
		Args:                  cobra.MinimumNArgs(1),
		DisableFlagsInUseLine: true,
		RunE: func(_ *cobra.Command, args []string) error {
			status, err := execProgram(o, args)
			if err != nil {
				return err
			}
			os.Exit(status)
			return nil
		},
	}
	f := c.Flags()
	f.SetInterspersed(false)
	f.StringArrayVarP(&o.devices, "device", "d", nil, "pair of netkit devices to begin with, as NAME,PEER (may be repeated)")
	f.BoolVarP(&o.explain, "explain", "x", false, "print each call, its answer, and the rule behind a refusal, to standard error")
	f.StringArrayVar(&o.faults, "fail", nil, "have a call fail, as COMMAND=ERRNO or COMMAND:N=ERRNO (may be repeated)")
	f.BoolVar(&o.host, "host", false, "stay in the caller's namespaces")
	return c
}

func execProgram(o execOptions, args []string) (status int, err error) {
	opts := intercept.Options{Host: o.host, Verdicts: o.verdicts}
	for _, pair := range o.devices {
		name, peer, ok := strings.Cut(pair, ",")
		if !ok {
			return 0, fmt.Errorf("device %q: expected two names with a comma between", pair)
		}
		opts.Devices = append(opts.Devices, [2]string{name, peer})
	}
	for _, text := range o.faults {
		fault, err := sim.ParseFault(text)
		if err != nil {
			return 0, err
		}
		opts.Faults = append(opts.Faults, fault)
	}
	if o.explain {
		opts.Explain = os.Stderr
	}
	return intercept.Run(opts, os.Environ(), args[0], args[1:]...)
}
