package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nkconform/nkconform"
	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/deviation"
	"github.com/nkconform/nkconform/harness"
	"github.com/nkconform/nkconform/matrix"
	"github.com/nkconform/nkconform/report"
)

// formatStream is how a guest reports; see report.Streaming.
const formatStream = "stream"

// knownUsage is what the flag says that names a list of known deviations.
const knownUsage = "file of known deviations (default: the built-in list, with the suite)"

// runOptions are the flags of run.
type runOptions struct {
	backend    string
	scenarios  string
	format     string
	machine    string
	timeout    time.Duration
	guest      guestFlags
	deviations string
	verbose    bool
	guests     int
	part       string
}

func runCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run [flags] [FOLDER] [PATTERN...]",
		Short: "Run scenarios on a kernel, simulated or real",
		Long: `Run plays the scenarios, or those whose ids match a PATTERN: a prefix of ids, or
a glob such as 'revision/*/link*'. After every step the answer, the list, the
owning links and the revision of every hook touched are compared. With a FOLDER
those are its .trace files instead of the suite.

Backends:
  fake       the kernel simulated in memory, the newest known: needs nothing
  fake:6.12  the same as another version
  host       the running kernel, in a network namespace of its own: needs root
  vm:IMAGE   a kernel booted for this run: needs QEMU, not root, not KVM
  testee:CMD the running kernel through a library: CMD makes the attaching calls
             that it reads from its input; see docs/libraries.md
IMAGE is a file, debian:VERSION for the newest kernel package of Debian whose
version begins with VERSION, or another that 'nkconform kernels' tells of.`,
		Example: `  nkconform run
  nkconform run attach/ 'revision/*/link*'
  sudo nkconform run --backend host
  nkconform run --backend vm:debian:7.1
  nkconform run --backend vm:debian:7.1 ./traces
  nkconform run --backend vm:./vmlinuz --format junit >results.xml`,
		RunE: func(c *cobra.Command, patterns []string) error {
			if o.scenarios == "" {
				o.scenarios, patterns = splitFolder(patterns)
			}
			return run(c.Context(), o, patterns)
		},
	}
	f := c.Flags()
	f.StringVarP(&o.backend, "backend", "b", "fake", "what answers: fake, fake:VERSION, host, testee:CMD or vm:IMAGE")
	f.StringVarP(&o.scenarios, "scenarios", "s", "", "folder of .trace files to run instead of the suite")
	f.StringVarP(&o.format, "format", "f", "text", "how to report: "+report.FormatNames())
	f.StringVar(&o.machine, "vm", harness.Auto, "machine that boots the image: "+harness.Names())
	f.DurationVar(&o.timeout, "timeout", 5*time.Minute, "limit for a virtual machine, from boot to end")
	o.guest.add(f)
	f.StringVar(&o.deviations, "known", "", knownUsage)
	f.IntVar(&o.guests, "guests", 0, "virtual machines that share the suite (default: one a core)")
	f.StringVar(&o.part, "part", "", "only share i/n of the scenarios")
	_ = f.MarkHidden("part") // for guests
	f.BoolVarP(&o.verbose, "verbose", "v", false, "name also what passed or was skipped")
	return c
}

// splitFolder takes the folder of scenarios off the arguments, if the first is
// one and no pattern of the suite's.
func splitFolder(args []string) (dir string, patterns []string) {
	if len(args) == 0 {
		return "", args
	}
	if _, err := loadScenarios("", args[:1]); err == nil {
		return "", args
	}
	if info, err := os.Stat(args[0]); err != nil || !info.IsDir() {
		return "", args
	}
	return args[0], args[1:]
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
	if o.format != formatStream {
		if _, err := report.ParseFormat(o.format); err != nil {
			return err
		}
	}
	chosen, err := loadScenarios(o.scenarios, patterns)
	if err != nil {
		return err
	}
	if o.guests < 0 {
		return fmt.Errorf("bad number %d for --guests: expected 1 or more", o.guests)
	}
	known, err := loadDeviations(o.deviations, o.scenarios, chosen, patterns)
	if err != nil {
		return err
	}
	if o.part != "" {
		if chosen, err = matrix.Shard(chosen, o.part); err != nil {
			return err
		}
	}
	if o.format == formatStream {
		return runStream(ctx, o.backend, chosen, os.Stdout)
	}
	var results *report.Results
	if image, ok := isVM(o.backend); ok {
		results, err = runVM(ctx, o, image, patterns, chosen, known)
	} else {
		results, err = runLocal(ctx, o.backend, chosen, known)
	}
	if err != nil {
		return err
	}
	return writeResults(os.Stdout, results, o.format, o.verbose)
}

// runLocal runs scenarios in this process.
func runLocal(ctx context.Context, name string, chosen []conformance.Scenario, known deviation.List) (*report.Results, error) {
	began := time.Now()
	r := &report.Run{Name: name, Backend: name, Cases: []report.Case{}}
	err := eachScenario(ctx, name, chosen, func(k report.Kernel) error {
		r.Kernel = k
		return nil
	}, func(outcomes []outcome) error {
		for _, o := range outcomes {
			r.Add(o.result)
			if last := &r.Cases[len(r.Cases)-1]; last.Status == report.Failed {
				last.Trace = o.scenario.Trace.String()
			}
		}
		return nil
	})
	results := report.New(r)
	if errors.Is(err, context.Canceled) {
		results.Interrupted, r.Stopped, err = true, "interrupted", nil
	}
	if err != nil {
		return nil, err
	}
	known.Apply(r)
	results.Started, results.Seconds = began.UTC().Truncate(time.Second), time.Since(began).Seconds()
	return results, nil
}

// runStream runs scenarios in this process and reports them as they end.
func runStream(ctx context.Context, name string, chosen []conformance.Scenario, out io.Writer) error {
	var stream *report.Streaming
	buffer := bufio.NewWriter(out)
	failed := false
	err := eachScenario(ctx, name, chosen, func(k report.Kernel) (err error) {
		stream, err = report.NewStreaming(buffer, k)
		return errors.Join(err, buffer.Flush())
	}, func(outcomes []outcome) error {
		for _, o := range outcomes {
			failed = failed || o.result.Status == conformance.Failed
			if err := stream.Case(report.NewCase(o.result)); err != nil {
				return err
			}
		}
		return buffer.Flush()
	})
	if err == nil && failed {
		return errFailed
	}
	return err
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
