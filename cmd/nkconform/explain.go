package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

func explainCommand() *cobra.Command {
	var hook, kernel string
	c := &cobra.Command{
		Use:   "explain [flags] FILE.trace|FOLDER|PATTERN...\n  nkconform explain [flags] --hook HOOK STATEMENT...",
		Short: "Tell why a kernel answers as it does: its checks in order",
		Long: `Explain plays .trace files or scenarios of the suite on the simulated kernel and
prints for every statement the kernel's checks in their order, up to the one that
refused, each with its numbers and the id of its rule.

` + patternsHelp + `

With --hook it does so for single statements, on a hook with the programs, links
and revision given. Programs that only the statements name are loaded first.`,
		Example: `  nkconform explain revision/stale/attach-replace
  nkconform explain order/before
  nkconform explain my.trace
  nkconform explain --hook 'nk0:primary [a b@l] revision 4' 'attach nk0:primary c flags=before relative_fd=b'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := fake.ParseRelease(kernel)
			if err != nil {
				return err
			}
			if hook != "" {
				text, first, err := stageHook(hook, args)
				if err != nil {
					return err
				}
				f, err := trace.Parse("statement", text)
				if err != nil {
					return err
				}
				env := fake.New(fake.Running(r))
				if f, err = conformance.Record(env, f); err != nil {
					return err
				}
				if err := env.Shutdown(); err != nil {
					return err
				}
				return explain(os.Stdout, conformance.Scenario{Trace: f}, r, first)
			}
			for _, arg := range args {
				list, err := choose([]string{arg}).load()
				if err != nil {
					return err
				}
				for _, s := range list {
					if len(args)+len(list) > 2 {
						fmt.Printf("## %s\n", s.Trace.Name)
					}
					if err := explain(os.Stdout, s, r, 0); err != nil {
						return err
					}
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&hook, "hook", "", "state of the hook: DEVICE:TYPE [PROGRAM PROGRAM@LINK] revision N")
	c.Flags().StringVarP(&kernel, "kernel", "k", fake.Newest.String(), "version of Linux to simulate")
	return c
}

// explained is a kernel that is told, through Supports, which statement comes.
type explained struct {
	*fake.Kernel
	statement int
	events    map[int][]*fake.Event
}

// marker begins what is said to Supports in front of a statement.
const marker = "@"

func (e *explained) Supports(f mprog.Feature) error {
	n, ok := strings.CutPrefix(string(f), marker)
	if !ok {
		return e.Kernel.Supports(f)
	}
	var err error
	e.statement, err = strconv.Atoi(n)
	return err
}

// explain plays a trace and prints what happened, from a line on.
func explain(out io.Writer, s conformance.Scenario, r fake.Release, first int) error {
	env := &explained{
		Kernel: fake.New(append(fake.Lacking(s.Trace), fake.Running(r))...),
		events: map[int][]*fake.Event{},
	}
	env.Observe(func(e *fake.Event) { env.events[env.statement] = append(env.events[env.statement], e) })
	marked := &trace.File{Name: s.Trace.Name}
	for _, st := range s.Trace.Statements() {
		mark := &trace.Statement{Verb: "need", Operands: []string{marker + strconv.Itoa(st.Line)}}
		marked.Lines = append(marked.Lines, trace.Line{Statement: mark}, trace.Line{Statement: st})
	}
	result := conformance.Run(env, conformance.Scenario{ID: s.ID, Trace: marked})
	links := linkNames{}
	for _, l := range s.Trace.Lines {
		if l.Statement == nil {
			if first == 0 {
				fmt.Fprintln(out, l.Comment)
			}
			continue
		}
		if l.Statement.Line < first {
			for _, e := range callsOf(l.Statement, env.events[l.Statement.Line]) {
				links.learn(l.Statement, e)
			}
			continue
		}
		fmt.Fprintln(out, l.Statement)
		for _, e := range callsOf(l.Statement, env.events[l.Statement.Line]) {
			links.learn(l.Statement, e)
			printSteps(out, e, links)
		}
		if f := result.Failure; f != nil && f.Line == l.Statement.Line {
			fmt.Fprintf(out, "    differs: %s\n", strings.ReplaceAll(f.String(), "\n", "\n    "))
			return errors.Join(errFailed, env.Shutdown())
		}
	}
	if result.Status == conformance.Skipped {
		fmt.Fprintln(out, "not played:", result.Reason)
	}
	return env.Shutdown()
}

// callOf tells which call a statement makes; those that set the stage say only
// whether they were refused.
var callOf = map[string]mprog.Op{
	"attach": mprog.OpProgAttach, "detach": mprog.OpProgDetach, "query": mprog.OpProgQuery,
	"link": mprog.OpLinkCreate, "link-update": mprog.OpLinkUpdate, "link-detach": mprog.OpLinkDetach,
	"info": mprog.OpObjectInfo, "prog-fd": mprog.OpProgFDByID, "link-fd": mprog.OpLinkFDByID,
	"prog-next": mprog.OpProgNextID, "link-next": mprog.OpLinkNextID, "pin": mprog.OpObjPin, "get": mprog.OpObjGet,
	"unlink": mprog.OpUnlink, "dup": mprog.OpDup, "close": mprog.OpClose, "bpf": mprog.OpCommand,
}

// callsOf finds the calls that are the statement's own. Around it every hook is
// queried, as often before as after, so that of queries it is the one in the
// middle.
func callsOf(s *trace.Statement, events []*fake.Event) []*fake.Event {
	op, isCall := callOf[s.Verb]
	var list []*fake.Event
	for _, e := range events {
		if isCall && e.Op == op || !isCall && e.Op != mprog.OpProgQuery && e.Op != mprog.OpObjectInfo {
			list = append(list, e)
		}
	}
	switch {
	case s.Verb == "query" && len(list) > 0:
		return list[len(list)/2 : len(list)/2+1]
	case len(list) > 1: // a range: all but the last are alike
		return list[len(list)-1:]
	}
	return list
}

// linkNames are the names that a trace has for links, by those of the kernel.
type linkNames map[string]string

var linkMade = regexp.MustCompile(`^link id \d+ (\(\w+\)) is made$`)

// learn notes the name of a link that was made.
func (n linkNames) learn(st *trace.Statement, e *fake.Event) {
	for _, s := range e.Steps {
		if m := linkMade.FindStringSubmatch(s.Text); m != nil {
			n[m[1]] = "(" + st.Operands[0] + ")"
		}
	}
}

func printSteps(out io.Writer, e *fake.Event, links linkNames) {
	for _, s := range e.Steps {
		mark, rule := "+", string(s.Rule)
		for kernels, traces := range links {
			s.Text = strings.ReplaceAll(s.Text, kernels, traces)
		}
		if !s.Passed {
			mark = "!"
			if refusal := e.Refusal(); refusal != nil {
				rule += "  " + refusal.Errno.String()
			}
		}
		fmt.Fprintln(out, strings.TrimRight(fmt.Sprintf("    %s %-70s %s", mark, s.Text, rule), " "))
	}
	if e.Err != nil && e.Refusal() == nil {
		fmt.Fprintf(out, "    ! %v\n", e.Err)
	}
}
