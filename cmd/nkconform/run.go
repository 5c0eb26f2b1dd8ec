package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/deviation"
	"github.com/nkconform/nkconform/harness"
	"github.com/nkconform/nkconform/internal/backend"
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
	kernel     string
	choice     choice
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
		Use:   "run [flags] [FILE.trace|FOLDER]... [PATTERN]...",
		Short: "Run scenarios on a kernel, simulated or real",
		Long: `Run plays the scenarios of the suite or, instead, of .trace files and of folders of
such; of these, the ones that match a PATTERN. After every step the answer, the
list, the owning links and the revision of every hook touched are compared.

` + patternsHelp + `

Backends:
  fake       the kernel simulated in memory, of the version --kernel: needs nothing
  host       the running kernel, in a network namespace of its own: needs root
  vm:IMAGE   a kernel booted for this run: needs QEMU, not root, not KVM
  source:SOURCE a kernel's own code, compiled here from debian:VERSION or tree:FOLDER: what
             decides about hooks is the kernel's, fds and devices are simulated; needs
             a compiler for C; see docs/source.md
  testee:CMD the running kernel through a library: CMD makes the attaching calls
             that it reads from its input; see docs/libraries.md
IMAGE is a file, debian:VERSION for the newest kernel package of Debian whose
version begins with VERSION, or another that 'nkconform kernels' tells of.`,
		Example: `  nkconform run
  nkconform run attach/ 'revision/*/link*'
  nkconform run --kernel 6.12 order/before
  nkconform run my.trace other.trace
  sudo nkconform run --backend host
  nkconform run --backend vm:debian:7.1
  nkconform run --backend source:debian:7.3
  nkconform run --backend source:tree:$HOME/linux
  nkconform run --backend vm:debian:7.1 ./traces
  nkconform run --backend vm:./vmlinuz --format junit >results.xml`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(o.choice.paths) > 0 {
				o.choice.patterns = args
			} else {
				given := choose(args)
				o.choice.paths, o.choice.patterns = given.paths, given.patterns
			}
			return run(c.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVarP(&o.backend, "backend", "b", "fake", "what answers: "+backend.Names)
	f.StringVarP(&o.kernel, "kernel", "k", "", kernelUsage)
	f.StringArrayVarP(&o.choice.paths, "scenarios", "s", nil, scenariosUsage)
	f.StringVarP(&o.format, "format", "f", "text", "how to report: "+report.FormatNames())
	f.StringVar(&o.machine, "vm", harness.Auto, "machine that boots the image: "+harness.Names())
	f.DurationVar(&o.timeout, "timeout", 5*time.Minute, "limit for a virtual machine, from boot to end")
	o.guest.add(f)
	f.StringVar(&o.deviations, "known", "", knownUsage)
	f.IntVar(&o.guests, "guests", 0, "virtual machines that share the suite (default: one a core)")
	f.StringVar(&o.part, "part", "", "only share i/n of the scenarios")
	_ = f.MarkHidden("part") // for guests
	o.choice.addIDs(f)
	f.BoolVarP(&o.verbose, "verbose", "v", false, "tell every failure, and name what passed or was skipped")
	return c
}

func run(ctx context.Context, o runOptions) error {
	if o.format != formatStream {
		if _, err := report.ParseFormat(o.format); err != nil {
			return err
		}
	}
	name, err := backend.Name(o.backend, o.kernel)
	if err != nil {
		return err
	}
	chosen, err := o.choice.load()
	if err != nil {
		return err
	}
	if o.guests < 0 {
		return fmt.Errorf("bad number %d for --guests: expected 1 or more", o.guests)
	}
	known, err := loadDeviations(o.deviations, o.choice, chosen)
	if err != nil {
		return err
	}
	if o.part != "" {
		if chosen, err = matrix.Shard(chosen, o.part); err != nil {
			return err
		}
	}
	if o.format == formatStream {
		return runStream(ctx, name, chosen, os.Stdout)
	}
	var results *report.Results
	if image, ok := backend.Image(o.backend); ok {
		results, err = runVM(ctx, o, image, chosen, known)
	} else if strings.HasPrefix(name, backend.SourcePrefix) {
		results, err = runSource(ctx, o, chosen, known)
	} else {
		results, err = runLocal(ctx, name, chosen, known)
	}
	if err != nil {
		return err
	}
	return writeResults(os.Stdout, results, o.format, o.verbose)
}

// runSource runs scenarios on a kernel's own code, which may hang or die, in another
// process. It is compiled here, where it is told what that lacks.
func runSource(ctx context.Context, o runOptions, chosen []conformance.Scenario, known deviation.List) (*report.Results, error) {
	b, err := backend.Open(ctx, o.backend, progress())
	if err != nil {
		return nil, err
	}
	if err := b.Close(); err != nil {
		return nil, err
	}
	return runVM(ctx, o, o.backend, chosen, known)
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
	return &cobra.Command{
		Use:   "list [FILE.trace|FOLDER]... [PATTERN]...",
		Short: "List scenarios with the rules they show",
		Long:  "List names the scenarios that 'nkconform run' would play.\n\n" + patternsHelp,
		Example: `  nkconform list
  nkconform list revision/
  nkconform list order/before
  nkconform list ./traces`,
		RunE: func(_ *cobra.Command, args []string) error {
			chosen, err := choose(args).load()
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
}
