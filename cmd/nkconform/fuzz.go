package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/nkconform/nkconform/conformance/lockstep"
	"github.com/nkconform/nkconform/harness"
	"github.com/nkconform/nkconform/internal/backend"
	"github.com/nkconform/nkconform/mprog"
)

// fuzzOptions are the flags of fuzz.
type fuzzOptions struct {
	backend, against string
	kernel           string
	seed             uint64
	first            uint64
	sequences, steps int
	limit            time.Duration
	progress, shrink bool
	beat             bool
	cgroups          bool
	save             string
	vm               vmOptions
}

func fuzzCommand() *cobra.Command {
	var o fuzzOptions
	c := &cobra.Command{
		Use:   "fuzz [flags]",
		Short: "Compare two backends on random traces",
		Long: `Fuzz makes up sequences of system calls, valid and invalid, and performs them on
two backends in lockstep. After every step the answer, and the list, the owning
links and the revision of every hook touched are compared. The first difference
is shrunk and printed as a scenario with the answers of the second backend; the
exit status is 1. The seed makes the same sequences again.

With vm:IMAGE both backends run in the guest.`,
		Example: `  sudo nkconform fuzz --backend fake --against host --time 1m
  nkconform fuzz --backend fake --against vm:debian:7.3 --seed 7 --sequences 5000
  sudo nkconform fuzz --against host --cgroups --time 1m`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.sequences < 0 || o.steps < 1 {
				return errors.New("bad --sequences or --steps: expected more than 0")
			}
			if err := positive(map[string]time.Duration{"time": o.limit}); err != nil {
				return err
			}
			if !c.Flags().Changed("seed") {
				o.seed = uint64(time.Now().UnixNano()) % 1e9
			}
			if !c.Flags().Changed("sequences") && o.limit == 0 {
				o.sequences = 1000
			}
			return fuzz(c.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVarP(&o.backend, "backend", "b", "fake", "what is compared: fake, host or source:SOURCE")
	f.StringVarP(&o.against, "against", "a", "fake", "with what: fake, host, source:SOURCE or vm:IMAGE")
	f.StringVarP(&o.kernel, "kernel", "k", "", kernelUsage)
	f.Uint64Var(&o.seed, "seed", 0, "seed of all sequences (default: another each time)")
	f.Uint64Var(&o.first, "first", 0, "number of the first sequence")
	f.IntVarP(&o.sequences, "sequences", "n", 0, "how many sequences (default 1000, without limit with --time)")
	f.IntVar(&o.steps, "steps", 120, "steps of a sequence, at most")
	f.DurationVarP(&o.limit, "time", "t", 0, "when to stop (default: after the last sequence)")
	f.StringVar(&o.save, "save", "", "folder to write the sequences to, as traces with the answers of the second backend")
	f.BoolVar(&o.cgroups, "cgroups", false, "traces about hooks of cgroups instead, of --steps statements; what is found is not shrunk")
	f.BoolVar(&o.shrink, "shrink", true, "shrink what is found")
	f.BoolVar(&o.progress, "progress", stderrIsTerminal(), "tell on stderr how it goes")
	f.BoolVar(&o.beat, "beat", false, "in the guest: tell how it goes, but no more")
	_ = f.MarkHidden("beat") // the flag is defined above
	f.StringVar(&o.vm.machine, "vm", harness.Auto, "machine that boots the image: "+harness.Names())
	return c
}

func stderrIsTerminal() bool { return term.IsTerminal(int(os.Stderr.Fd())) }

func fuzz(ctx context.Context, o fuzzOptions) error {
	if image, ok := backend.Image(o.against); ok {
		if o.save != "" {
			return errors.New("--save writes files: use it with --against fake or host, then record")
		}
		return fuzzInVM(ctx, o, image)
	}
	a, b, done, err := lockstepBackends(ctx, o.backend, o.against, o.kernel)
	if err != nil {
		return err
	}
	if o.cgroups {
		if o.save != "" {
			return errors.Join(errNoSaving, done())
		}
		return errors.Join(fuzzCgroups(ctx, o, a, b), done())
	}
	f := fuzzer{o: o, a: a, b: b, began: time.Now()}
	return errors.Join(f.run(ctx), done())
}

// fuzzInVM does the same in a guest, where the kernel is the host.
func fuzzInVM(ctx context.Context, o fuzzOptions, image string) error {
	argv := []string{
		"fuzz", "--backend", o.backend, "--against", "host", "--seed", strconv.FormatUint(o.seed, 10),
		"--first", strconv.FormatUint(o.first, 10), "--sequences", strconv.Itoa(o.sequences),
		"--steps", strconv.Itoa(o.steps), "--time", o.limit.String(), "--progress=" + strconv.FormatBool(o.progress),
		"--shrink=" + strconv.FormatBool(o.shrink), "--cgroups=" + strconv.FormatBool(o.cgroups), "--beat",
	}
	argv = append(argv, kernelArgs(o.kernel)...)
	o.vm.timeout = o.limit + time.Hour
	b := &beats{out: os.Stderr, show: o.progress}
	o.vm.stderr = b
	err := selfInVM(ctx, o.vm, image, argv)
	os.Stderr.Write(b.rest)
	if ctx.Err() != nil && b.last != "" {
		fmt.Fprintf(os.Stderr, "seed %d, from sequence %d, interrupted behind: %s", o.seed, o.first, b.last)
	}
	return err
}

// selfInVM runs this program with arguments in a kernel booted for it.
func selfInVM(ctx context.Context, o vmOptions, image string, argv []string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	o.bare = true
	o.memory, o.guest.cpus = max(o.memory, guestMemory), max(o.guest.cpus, 1)
	return runInVM(ctx, o, image, append([]string{self}, argv...))
}

// guestMemory is enough for long runs, in MiB.
const guestMemory = 768

// fuzzer is a run of fuzz.
type fuzzer struct {
	o     fuzzOptions
	a, b  lockstep.Backend
	t     *lockstep.Tester
	began time.Time
	told  time.Time
}

func (f *fuzzer) run(ctx context.Context) error {
	t, err := lockstep.New(f.a, f.b)
	if err != nil {
		return err
	}
	f.t = t
	if f.o.save != "" { // for any machine, with whatever other ids
		t.Fresh, t.Without = true, []lockstep.Op{lockstep.NextProg, lockstep.NextLink}
	}
	found, number, err := f.search(ctx)
	if err != nil {
		return errors.Join(fmt.Errorf("seed %d, sequence %d: %w", f.o.seed, number, err), t.Close())
	}
	f.summary(ctx)
	if found == nil {
		return t.Close()
	}
	if err := errors.Join(f.report(ctx, found, number), t.Close()); err != nil {
		return err
	}
	return errFailed
}

// search performs sequences until there is a difference.
func (f *fuzzer) search(ctx context.Context) (found *lockstep.Finding, number uint64, err error) {
	for number = f.o.first; f.o.sequences == 0 || number < f.o.first+uint64(f.o.sequences); number++ {
		if ctx.Err() != nil || f.o.limit > 0 && time.Since(f.began) > f.o.limit {
			break
		}
		if found, err = f.t.Random(f.o.seed, number, f.o.steps); found != nil || err != nil {
			break
		}
		if f.o.save != "" {
			if err = f.save(number); err != nil {
				break
			}
		}
		if (f.o.progress || f.o.beat) && time.Since(f.told) > time.Second {
			f.told = time.Now()
			fmt.Fprintf(os.Stderr, "%d sequences, %d steps, %s\n", f.t.Stats.Sequences, f.t.Stats.Steps,
				time.Since(f.began).Round(time.Second))
		}
	}
	return found, number, err
}

// summary tells what was done.
func (f *fuzzer) summary(ctx context.Context) {
	s, took := f.t.Stats, time.Since(f.began)
	state := ""
	if ctx.Err() != nil {
		state = ", interrupted"
	}
	fmt.Fprintf(os.Stderr, "seed %d: %s against %s: %d sequences, %d steps (%d%% succeeded, %d on a full hook), %s, %.0f steps/s%s\n",
		f.o.seed, f.a.Name, f.b.Name, s.Sequences, s.Steps, 100*s.Succeeded/max(s.Steps, 1), s.Full,
		took.Round(time.Millisecond), float64(s.Steps)/took.Seconds(), state)
	if s.Cut > 0 {
		fmt.Fprintf(os.Stderr, "%d sequences ended early at what one of the two cannot do\n", s.Cut)
	}
	if !f.o.progress {
		return
	}
	fmt.Fprintf(os.Stderr, "  %s\n", s.Calls())
	errnos := make([]mprog.Errno, 0, len(s.Errnos))
	for e := range s.Errnos {
		errnos = append(errnos, e)
	}
	slices.Sort(errnos)
	for _, e := range errnos {
		name := e.String()
		if e == 0 {
			name = "ok"
		}
		fmt.Fprintf(os.Stderr, "  %-12s %d\n", name, s.Errnos[e])
	}
}

// report shrinks a finding and prints the scenario.
func (f *fuzzer) report(ctx context.Context, found *lockstep.Finding, number uint64) error {
	fmt.Fprintf(os.Stderr, "sequence %d: difference at step %d\n", number, len(found.Steps))
	small, again := found, true
	if f.o.shrink {
		var err error
		if small, again, err = f.t.Shrink(ctx, found); err != nil {
			return fmt.Errorf("shrink: %w", err)
		}
	}
	rule := fmt.Sprintf("# The rule in English goes here. Found by: nkconform fuzz --backend %s --against %s --seed %d --first %d",
		f.a.Name, f.b.Name, f.o.seed, number)
	text, err := f.t.Scenario(small, rule)
	if err != nil {
		return err
	}
	if !again {
		fmt.Fprintln(os.Stderr, "the difference does not come again on new environments: the sequence is not shrunk")
	}
	fmt.Print(text)
	fmt.Fprintf(os.Stderr, "shrunk to %d steps\n  %s answers %s\n  %s answers %s\n", len(small.Steps),
		f.a.Name, small.Describe(small.A), f.b.Name, small.Describe(small.B))
	return nil
}
