package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/internal/picture"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

func explainCommand() *cobra.Command {
	var hook, kernel, page string
	var checks, interactive bool
	c := &cobra.Command{
		Use:   "explain [flags] FILE.trace|FOLDER|PATTERN...\n  nkconform explain [flags] --hook HOOK STATEMENT...\n  nkconform explain -i\n  nkconform explain --html FILE",
		Short: "Show what each call does to a hook's list, and why it is refused",
		Long: `Explain plays .trace files or scenarios of the suite on the simulated kernel and
shows each statement in a line: the list before and after it, what is new with a
star, what is gone with a minus, and the step of the revision; or the errno of a
refusal, and its rule in plain words; of a cgroup also what runs there. A trace without
any answers expects nothing. With -v the kernel's checks follow in their
order, up to the one that refused, each with its numbers and the id of its rule.

` + patternsHelp + `

With --hook it does so for single statements, on a hook with the programs, links
and revision given. Programs that only the statements name are loaded first. With
-i statements are typed, one a line, behind what the arguments say; ? helps.

--html writes a page with the simulated kernel in it, one file for any browser: eleven
lessons, lists to drag programs into, and each call in C, Go and as bpf(2) gets it.
A program that was not released has to build the page's kernel, with Go.`,
		Example: `  nkconform explain --hook 'nk0:primary [a b@l] revision 4' 'attach nk0:primary c flags=before relative_fd=b'
  nkconform explain -v revision/stale/attach-replace
  nkconform explain order/before
  nkconform explain my.trace
  nkconform explain -i
  nkconform explain --html page.html`,
		Args: func(c *cobra.Command, args []string) error {
			if page != "" {
				return cobra.NoArgs(c, args)
			}
			if interactive {
				return nil
			}
			return cobra.MinimumNArgs(1)(c, args)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if page != "" {
				return writePage(page)
			}
			r, err := fake.ParseRelease(kernel)
			if err != nil {
				return err
			}
			e := explainer{
				out: os.Stdout, release: r,
				style: picture.Style{Checks: checks, Color: term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("NO_COLOR") == ""},
			}
			switch {
			case hook != "":
				err = e.hook(hook, args, interactive)
			case interactive && len(args) == 0:
				e.start()
			default:
				err = e.scenarios(args)
			}
			if interactive && (err == nil || errors.Is(err, errFailed)) {
				return e.interactive(os.Stdin)
			}
			return err
		},
	}
	c.Flags().StringVar(&hook, "hook", "", "state of the hook: DEVICE:TYPE or CGROUP:TYPE [PROGRAM PROGRAM@LINK] revision N")
	c.Flags().StringVarP(&kernel, "kernel", "k", fake.Newest.String(), "version of Linux to simulate")
	c.Flags().BoolVarP(&checks, "verbose", "v", false, "with the kernel's checks in their order")
	c.Flags().StringVar(&page, "html", "", "write a page with the simulated kernel in it to a file, - for stdout")
	c.Flags().BoolVarP(&interactive, "interactive", "i", false, "read statements from the terminal")
	return c
}

// explainer plays statements and shows them.
type explainer struct {
	out     io.Writer
	release fake.Release
	style   picture.Style
	options []fake.Option    // of the last session's kernel
	session *picture.Session // the last one
	played  []string         // lines on it
	last    *picture.Step    // that was typed
}

// scenarios explains whatever the arguments choose.
func (e *explainer) scenarios(args []string) error {
	var failed error
	for _, arg := range args {
		list, err := choose([]string{arg}).load()
		if err != nil {
			e.upTo(arg, err)
			return err
		}
		for _, s := range list {
			if len(args)+len(list) > 2 {
				fmt.Fprintf(e.out, "## %s\n", s.Trace.Name)
			}
			if err := e.explain(s.Trace); errors.Is(err, errFailed) {
				failed = err
			} else if err != nil {
				return err
			}
		}
	}
	return failed
}

// upTo shows what is right of a file in which a line is wrong: what is in front of that
// line, and the line with the place marked. Of any other error it shows nothing.
func (e *explainer) upTo(file string, err error) {
	var wrong *trace.Error
	text, unread := os.ReadFile(file)
	if !errors.As(err, &wrong) || unread != nil {
		return
	}
	lines := strings.Split(string(text), "\n")
	if wrong.Line > len(lines) {
		return
	}
	e.start()
	for _, line := range lines[:wrong.Line-1] {
		step, err := e.play(line)
		if err != nil {
			return
		}
		fmt.Fprintln(e.out, e.style.Text(&step))
	}
	fmt.Fprintln(e.out, e.style.Mistake(strings.TrimSuffix(lines[wrong.Line-1], "\r"), wrong))
}

// hook explains statements on a hook that is in a given state.
func (e *explainer) hook(state string, statements []string, more bool) error {
	stage, first, err := stageHook(state, statements)
	if err != nil {
		return err
	}
	f, err := trace.Parse("statement", stage)
	if err != nil {
		var mistake *trace.Error
		if lines := strings.Split(stage, "\n"); errors.As(err, &mistake) && mistake.Line >= first {
			return fmt.Errorf("a statement is wrong:\n%s", picture.Style{}.Mistake(lines[mistake.Line-1], mistake))
		}
		return err
	}
	e.start()
	for _, l := range f.Lines {
		step, err := e.play(text(l))
		if err != nil {
			return err
		}
		if l.Statement != nil && l.Statement.Line >= first {
			fmt.Fprintln(e.out, e.style.Text(&step))
		}
	}
	if more && len(statements) == 0 {
		fmt.Fprintln(e.out, state)
	}
	return nil
}

// explain shows a trace. What it expects and does not come is told, and is errFailed;
// one that has no answers at all expects nothing.
func (e *explainer) explain(f *trace.File) error {
	expects := slices.ContainsFunc(f.Statements(), func(s *trace.Statement) bool { return s.Answer.Any || len(s.Answer.Outcomes) > 0 })
	e.start(fake.Lacking(f)...)
	for _, l := range f.Lines {
		step, err := e.play(text(l))
		if errors.Is(err, mprog.ErrUnsupported) {
			fmt.Fprintln(e.out, "not played:", err)
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(e.out, e.style.Text(&step))
		if expects && l.Statement != nil && !l.Statement.Answer.Matches(step.Came) {
			f := conformance.Failure{Line: l.Statement.Line, Statement: l.Statement.Call(), Expected: l.Statement.Answer.String(), Came: step.Answer.String()}
			if f.Expected == "" {
				f.Expected = "= ok"
			}
			fmt.Fprintf(e.out, "    differs: %s\n", strings.ReplaceAll(f.String(), "\n", "\n    "))
			return errFailed
		}
	}
	return nil
}

// text is a line as it can be read again.
func text(l trace.Line) string {
	f := trace.File{Lines: []trace.Line{l}}
	return strings.TrimSuffix(f.String(), "\n")
}

// start begins with a new kernel.
func (e *explainer) start(options ...fake.Option) {
	e.options, e.played = append(options, fake.Running(e.release)), nil
	e.session = picture.New(e.options...)
}

// play plays a line.
func (e *explainer) play(line string) (picture.Step, error) {
	step, err := e.session.Do(line)
	if err == nil && step.Line.Statement != nil {
		e.played = append(e.played, line)
	}
	return step, err
}
