package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept"
	"github.com/nkconform/nkconform/intercept/sim"
	"github.com/nkconform/nkconform/mprog"
)

// execOptions are the flags of exec.
type execOptions struct {
	devices  []string
	faults   []string
	probes   bool
	rivals   []string
	strict   bool
	verdicts map[string]string
	refuse   []string
	summary  string
	kernel   string
	record   string
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
  nkconform exec --device nk0,nk1 --fail link-create:2@nk0:primary=ENOMEM -- ./agent
  nkconform exec --device nk0,nk1 --rival obj-pin:1=rival.trace -- ./agent
  nkconform exec --kernel 6.12 --record agent.trace -- ./agent`,
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
	f.StringArrayVar(&o.faults, "fail", nil, "have calls fail, as COMMAND[:N][@DEVICE[:HOOK]][/PROCESS]=ERRNO (may be repeated)")
	f.BoolVar(&o.probes, "fail-probes", false, "have --fail and --rival meet libraries' probes, too: calls on devices that do not exist")
	f.StringArrayVar(&o.rivals, "rival", nil, "have a rival play a trace in front of a call, as COMMAND[:N][@DEVICE[:HOOK]][/PROCESS]=FILE (may be repeated)")
	f.BoolVar(&o.strict, "strict", false, "fail, with status 1, when something was not simulated as the kernel has it, or a --fail or --rival never happened")
	f.StringArrayVar(&o.refuse, "refuse", nil, "have a kind of attachments refused, as KIND or KIND=ERRNO (may be repeated): "+strings.Join(slices.Sorted(maps.Keys(sim.RefusedKinds)), ", "))
	f.StringVar(&o.summary, "summary", "", "file for the summary, in JSON, of what was not simulated as the kernel has it")
	f.StringVarP(&o.kernel, "kernel", "k", fake.Newest.String(), "version of Linux to simulate")
	f.StringVarP(&o.record, "record", "r", "", "file for the trace of what was done to hooks, when the program has ended")
	f.StringToStringVar(&o.verdicts, "verdict", nil, "what a program returns, instead of being run, as NAME=NUMBER (may be repeated)")
	f.BoolVar(&o.host, "host", false, "stay in the caller's namespaces")
	return c
}

// parseRefused parses what --refuse names.
func parseRefused(list []string) (map[string]mprog.Errno, error) {
	refused := make(map[string]mprog.Errno)
	for _, text := range list {
		kind, name, given := strings.Cut(text, "=")
		errno, known := sim.RefusedKinds[kind]
		if !known {
			return nil, fmt.Errorf("refuse %q: no such kind: there are %s", text, strings.Join(slices.Sorted(maps.Keys(sim.RefusedKinds)), ", "))
		}
		if given {
			if errno, known = mprog.ParseErrno(name); !known {
				return nil, fmt.Errorf("refuse %q: no such errno", text)
			}
		}
		refused[kind] = errno
	}
	return refused, nil
}

func execProgram(o execOptions, args []string) (status int, err error) {
	release, err := fake.ParseRelease(o.kernel)
	if err != nil {
		return 0, err
	}
	opts := intercept.Options{
		Kernel: fake.New(fake.Running(release)), Host: o.host, Verdicts: make(map[string]int32),
	}
	for name, text := range o.verdicts {
		n, err := strconv.ParseInt(text, 0, 32)
		if err != nil {
			return 0, fmt.Errorf("verdict of %s: expected a number, not %q", name, text)
		}
		opts.Verdicts[name] = int32(n)
	}
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
		fault.Text, fault.Probes = "--fail "+text, o.probes
		opts.Faults = append(opts.Faults, fault)
	}
	for _, text := range o.rivals {
		rival, err := parseRival(text)
		if err != nil {
			return 0, err
		}
		rival.Calls.Probes = o.probes
		opts.Rivals = append(opts.Rivals, rival)
	}
	opts.Strict = o.strict
	if opts.Refuse, err = parseRefused(o.refuse); err != nil {
		return 0, err
	}
	if o.summary != "" {
		text := new(strings.Builder)
		opts.Summary = text
		defer func() {
			if text.Len() > 0 && err == nil {
				err = replace(o.summary, text.String())
			}
		}()
	}
	if o.explain {
		opts.Explain = os.Stderr
	}
	if o.record == "" {
		return intercept.Run(opts, os.Environ(), args[0], args[1:]...)
	}
	var text strings.Builder
	opts.Record = &text
	if status, err = intercept.Run(opts, os.Environ(), args[0], args[1:]...); err != nil || text.Len() == 0 {
		return status, err
	}
	ok, err := saveRecording(o.record, text.String(), release)
	if err == nil && !ok && o.strict && status == 0 {
		status = 1
	}
	return status, err
}
