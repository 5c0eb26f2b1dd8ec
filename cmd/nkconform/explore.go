package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/nkconform/nkconform/explore/programs"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept"
	"github.com/nkconform/nkconform/report"
	"github.com/nkconform/nkconform/trace"
)

// exploreFlags are the flags of explore.
type exploreFlags struct {
	devices, agents, crash    []string
	always, onceHeld, finally []string
	kernel, json, html, save  string
	noRestart                 bool
	options                   programs.Options
}

func exploreCommand() *cobra.Command {
	var o exploreFlags
	c := &cobra.Command{
		Use:   "explore [flags] --agent COMMAND...",
		Short: "Run programs in every interleaving, and kill them at every moment",
		Long: `Explore runs unmodified programs, in any language, on the simulated kernel, again
and again: each time another one goes on at another call, or is killed with
SIGKILL and started again, until every order has been seen or a limit is reached.
What must hold is looked at behind every call. A finding is shown as who did
what, with the hooks behind each step, and as a string that plays it again.

An invariant is a statement in the language of traces about a hook, in which
programs stand by their names, such as 'query nk0:primary = [] | = [mine]'; or a
shell command, run on the same kernel, that says by status 0 that it holds.

A run costs the start of the programs. Held are calls of bpf(2) about hooks,
links and pins; close(2) and unlink(2) happen when a program goes on to them.`,
		Example: `  nkconform explore --device nk0,nk1 --agent './agent nk0' --crash agent --always 'query nk0:primary = [] | = [mine]'
  nkconform explore -d nk0,nk1 --agent 'one=./a nk0' --agent 'two=./b nk0' --finally 'query nk0:primary = [a b]'
  nkconform explore -d nk0,nk1 --agent './agent nk0' --finally 'test -e /sys/fs/bpf/mine' --time 1m --html report.html
  nkconform explore -d nk0,nk1 --agent './agent nk0' --crash agent --replay 'agent:2,agent!'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.parse(); err != nil {
				return err
			}
			intercept.Main(explorer{&o, c.Context()}, intercept.Options{Warnings: os.Stderr}) // does not return
			return nil
		},
	}
	f := c.Flags()
	f.StringArrayVarP(&o.devices, "device", "d", nil, "pair of netkit devices to begin with, as NAME,PEER (may be repeated)")
	f.StringArrayVar(&o.agents, "agent", nil, "program to run, as COMMAND or NAME=COMMAND (may be repeated)")
	f.StringArrayVar(&o.crash, "crash", nil, "agent that may be killed once at any moment, by name; once more for each repetition")
	f.BoolVar(&o.noRestart, "no-restart", false, "do not start agents again that were killed")
	f.StringArrayVar(&o.always, "always", nil, "what must hold behind every call: a statement or a command (may be repeated)")
	f.StringArrayVar(&o.onceHeld, "once-held", nil, "what must hold for ever from when it holds first (may be repeated)")
	f.StringArrayVar(&o.finally, "finally", nil, "what must hold when all agents have ended, or wait without a call (may be repeated)")
	f.StringVarP(&o.kernel, "kernel", "k", fake.Newest.String(), "version of Linux to simulate")
	l := &o.options
	f.IntVar(&l.Runs, "runs", 0, "end behind so many runs")
	f.DurationVar(&l.Time, "time", 0, "end after so long")
	f.IntVar(&l.Preemptions, "preemptions", -1, "leave out runs in which agents are interrupted more often; below 0: none")
	f.IntVar(&l.Random, "random", 0, "make so many runs chosen at random, instead of all")
	f.Uint64Var(&l.Seed, "seed", 1, "seed of --random")
	f.BoolVar(&l.All, "all", false, "go on after the first finding, with one for each invariant")
	f.StringVar(&l.Replay, "replay", "", "play one run, as a finding names it")
	f.IntVar(&l.Calls, "calls", 300, "how many calls a process may make until it counts as endless")
	f.DurationVar(&l.Patience, "idle", time.Second, "how long a program makes no call until it counts as waiting for others")
	f.StringVar(&o.json, "json", "", "file for the report as JSON")
	f.StringVar(&o.html, "html", "", "file for the report as a page")
	f.StringVar(&o.save, "trace", "", "file for the trace of the first finding, which nkconform run plays")
	return c
}

// parse reads what the flags say.
func (o *exploreFlags) parse() error {
	release, err := fake.ParseRelease(o.kernel)
	if err != nil {
		return err
	}
	o.options.Kernel = []fake.Option{fake.Running(release)}
	for _, pair := range o.devices {
		name, peer, ok := strings.Cut(pair, ",")
		if !ok {
			return fmt.Errorf("device %q: expected two names with a comma between", pair)
		}
		o.options.Devices = append(o.options.Devices, [2]string{name, peer})
	}
	if len(o.agents) == 0 {
		return errors.New("no agents: --agent COMMAND says which program to run")
	}
	if len(o.always)+len(o.onceHeld)+len(o.finally) == 0 {
		return errors.New("no invariants: --always, --once-held or --finally says what must hold")
	}
	for _, text := range o.agents {
		if err := o.agent(text); err != nil {
			return err
		}
	}
	for _, name := range o.crash {
		i := slices.IndexFunc(o.options.Agents, func(a programs.Agent) bool { return a.Name == name })
		if i < 0 {
			return fmt.Errorf("crash %q: the agents are called %s", name, o.names())
		}
		o.options.Agents[i].Crashes++
	}
	for when, list := range map[programs.When][]string{programs.Always: o.always, programs.OnceHeld: o.onceHeld, programs.Finally: o.finally} {
		for _, text := range list {
			i, err := programs.ParseInvariant(when, text, o.options.Devices)
			if err != nil {
				return err
			}
			o.options.Invariants = append(o.options.Invariants, i)
		}
	}
	return nil
}

// agent reads NAME=COMMAND; without a name it is the program's.
func (o *exploreFlags) agent(text string) error {
	name, command, named := strings.Cut(text, "=")
	if !named || !trace.IsName(name) {
		name, command = "", text
		if words := strings.Fields(text); len(words) > 0 {
			name = strings.ReplaceAll(filepath.Base(words[0]), ".", "_")
		}
		name = name[:min(len(name), 12)]
		for n, base := 2, name; slices.ContainsFunc(o.options.Agents, func(a programs.Agent) bool { return a.Name == name }); n++ {
			name = fmt.Sprintf("%s_%d", base, n)
		}
	}
	if !trace.IsName(name) || slices.ContainsFunc(o.options.Agents, func(a programs.Agent) bool { return a.Name == name }) {
		return fmt.Errorf("agent %q: give it a name of its own, as NAME=COMMAND, of letters, digits, - and _", text)
	}
	o.options.Agents = append(o.options.Agents, programs.Agent{Name: name, Command: command, Restarts: !o.noRestart})
	return nil
}

func (o *exploreFlags) names() string {
	var names []string
	for _, a := range o.options.Agents {
		names = append(names, a.Name)
	}
	return strings.Join(names, ", ")
}

// explorer is what runs where the kernel is held.
type explorer struct {
	*exploreFlags
	ctx context.Context
}

// Run returns the exit status.
func (e explorer) Run() int {
	var stop atomic.Bool
	context.AfterFunc(e.ctx, func() { stop.Store(true) })
	e.options.Stop = &stop
	terminal := term.IsTerminal(int(os.Stderr.Fd()))
	began, told := time.Now(), time.Time{}
	if terminal {
		e.options.Progress = func(p programs.Progress) {
			if time.Since(told) < 200*time.Millisecond {
				return
			}
			told = time.Now()
			fmt.Fprintf(os.Stderr, "\r\x1b[K%s", progressLine(p, time.Since(began), &e.options.Limits))
		}
	}
	r, err := programs.Explore(e.options)
	if terminal {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
	}
	if err == nil {
		err = e.write(r)
		for _, text := range r.Unheld {
			fmt.Fprintf(os.Stderr, "nkconform: explore: held in no run, and so tells nothing: %s\n", text)
		}
	}
	switch {
	case err != nil:
		fmt.Fprintf(os.Stderr, "nkconform: explore: %v\n", err)
		return exitUsage
	case len(r.Findings) > 0:
		return exitFailed
	}
	return 0
}

// progressLine tells how far it has come, and what is left as far as that is known.
func progressLine(p programs.Progress, took time.Duration, l *programs.Limits) string {
	line := fmt.Sprintf("%d runs, %d states, depth %d, %.1f starts/s", p.Runs, p.States, p.Depth, float64(p.Started)/took.Seconds())
	switch {
	case l.Time > 0:
		line += fmt.Sprintf(", %v left", (l.Time - took).Round(time.Second))
	case l.Runs > 0:
		line += fmt.Sprintf(", %d runs left", l.Runs-p.Runs)
	case l.Random > 0:
		line += fmt.Sprintf(", %d runs left", l.Random-p.Runs)
	}
	return line
}

// write writes the report, to standard output and wherever the flags say.
func (e explorer) write(r *programs.Report) error {
	x := e.told(r)
	if err := x.WriteText(os.Stdout); err != nil {
		return err
	}
	if e.json != "" {
		text, err := json.MarshalIndent(x, "", "  ")
		if err != nil {
			return fmt.Errorf("report: %w", err)
		}
		if err := replace(e.json, string(text)+"\n"); err != nil {
			return err
		}
	}
	if e.html != "" {
		var page strings.Builder
		if err := x.WriteHTML(&page); err != nil {
			return err
		}
		if err := replace(e.html, page.String()); err != nil {
			return err
		}
	}
	if e.save != "" && len(r.Findings) > 0 {
		return replace(e.save, r.Findings[0].Trace)
	}
	return nil
}

// told is the report as package report has it.
func (e explorer) told(r *programs.Report) *report.Exploration {
	x := &report.Exploration{
		Complete: r.Complete, Cut: r.Cut, Runs: r.Runs, Started: r.Started, States: r.States, Calls: r.Calls, Depth: r.Depth,
		Seconds: r.Seconds, Findings: []report.Counterexample{},
	}
	for _, a := range e.options.Agents {
		x.Agents = append(x.Agents, report.ExploredAgent{Name: a.Name, Command: a.Command, Crashes: a.Crashes})
	}
	for _, f := range r.Findings {
		c := report.Counterexample{
			Invariant: f.Invariant, Text: f.Text, Schedule: f.Schedule, Cycle: f.Cycle, Trace: f.Trace, Output: f.Output,
		}
		for _, s := range f.Steps {
			c.Steps = append(c.Steps, report.LaneStep(s))
		}
		x.Findings = append(x.Findings, c)
	}
	return x
}
