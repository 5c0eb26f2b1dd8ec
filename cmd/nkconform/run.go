package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/nkconform/nkconform"
	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/report"
)

// runOptions are the flags of run.
type runOptions struct {
	backend   string
	scenarios string
	format    string
	machine   string
	timeout   time.Duration
	verbose   bool
}

func runCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run [flags] [PATTERN...]",
		Short: "Run scenarios on a kernel, simulated or real",
		Long: `Run plays the scenarios, or those whose ids match a PATTERN: a prefix of ids, or
a glob such as 'attach/*/stale*'. After every step the answer, the list, the
owning links and the revision of every hook touched are compared.

Backends:
  fake       the kernel simulated in memory: needs nothing
  host       the running kernel, in a network namespace of its own: needs root
  vm:IMAGE   a kernel booted for this run: needs QEMU, not root, not KVM
IMAGE is a file, or debian:VERSION for the newest kernel package of Debian whose
version begins with VERSION.`,
		Example: `  nkconform run
  nkconform run attach/ 'link/*/stale*'
  sudo nkconform run --backend host
  nkconform run --backend vm:debian:7.1
  nkconform run --backend vm:./vmlinuz --format junit >results.xml`,
		RunE: func(c *cobra.Command, patterns []string) error {
			return run(c.Context(), o, patterns)
		},
	}
	f := c.Flags()
	f.StringVarP(&o.backend, "backend", "b", "fake", "what answers: fake, host or vm:IMAGE")
	f.StringVarP(&o.scenarios, "scenarios", "s", "", "folder of .trace files to run instead of the suite")
	f.StringVarP(&o.format, "format", "f", "text", "how to report: text, json or junit")
	f.StringVar(&o.machine, "vm", "auto", "machine that boots the image: auto, qemu, vng or uml")
	f.DurationVar(&o.timeout, "timeout", 5*time.Minute, "limit for a virtual machine, from boot to end")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "name what passed too")
	return c
}

// loadScenarios reads the suite, or the folder that stands in for it.
func loadScenarios(dir string, patterns []string) ([]conformance.Scenario, error) {
	var tree fs.FS = nkconform.Scenarios()
	if dir != "" {
		if info, err := os.Stat(dir); err != nil {
			return nil, fmt.Errorf("scenarios: %w", err)
		} else if !info.IsDir() {
			return nil, fmt.Errorf("scenarios: %s is not a folder", dir)
		}
		tree = os.DirFS(dir)
	}
	all, err := conformance.Load(tree)
	if err != nil {
		return nil, err
	}
	return conformance.Select(all, patterns...)
}

func run(ctx context.Context, o runOptions, patterns []string) error {
	formats := []report.Format{report.Text, report.JSON, report.JUnit}
	if !slices.Contains(formats, report.Format(o.format)) {
		return fmt.Errorf("unknown format %q: expected text, json or junit", o.format)
	}
	chosen, err := loadScenarios(o.scenarios, patterns)
	if err != nil {
		return err
	}
	var r *report.Run
	if image, ok := isVM(o.backend); ok {
		r, err = runVM(ctx, o, image, patterns)
	} else {
		r, err = runLocal(ctx, o.backend, chosen)
	}
	if err != nil {
		return err
	}
	style := report.Style{Verbose: o.verbose,
		Color: term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("NO_COLOR") == ""}
	if err := r.Write(os.Stdout, report.Format(o.format), style); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	if r.Failed > 0 || r.Interrupted {
		return errFailed
	}
	return nil
}

// runLocal runs scenarios in this process.
func runLocal(ctx context.Context, name string, chosen []conformance.Scenario) (*report.Run, error) {
	b, err := localBackend(name)
	if err != nil {
		return nil, err
	}
	r := &report.Run{Schema: report.Schema, Backend: b.name, Kernel: b.kernel}
	for _, s := range chosen {
		if ctx.Err() != nil {
			r.Interrupted = true
			break
		}
		env, err := b.open()
		if err != nil {
			return nil, err
		}
		result := conformance.Run(env, s)
		if err := env.Shutdown(); err != nil && result.Status != conformance.Failed {
			result.Status = conformance.Failed
			result.Failure = &conformance.Failure{Detail: "shut down: " + err.Error()}
		}
		r.Add(result)
	}
	return r, b.close()
}

func listCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "list [flags] [PATTERN...]",
		Short: "List scenarios with the rules they show",
		Example: `  nkconform list
  nkconform list revision/`,
		RunE: func(_ *cobra.Command, patterns []string) error {
			chosen, err := loadScenarios(dir, patterns)
			if err != nil {
				return err
			}
			var b strings.Builder
			for _, s := range chosen {
				fmt.Fprintf(&b, "%s\n    %s\n", s.ID, s.Rule)
			}
			_, err = os.Stdout.WriteString(b.String())
			return err
		},
	}
	c.Flags().StringVarP(&dir, "scenarios", "s", "", "folder of .trace files instead of the suite")
	return c
}
