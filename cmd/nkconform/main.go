// Command nkconform tells whether what answers bpf(2) attaches programs to
// netkit and tcx hooks as the kernel does: the fake, the running kernel, or a
// kernel booted for the purpose.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/nkconform/nkconform/harness/guest"
)

// The exit statuses of every subcommand.
const (
	exitFailed = 1 // something does not conform
	exitUsage  = 2 // wrong usage, or an environment that cannot run what is asked
)

// errFailed ends the command with exitFailed; what failed has been reported.
var errFailed = errors.New("failed")

func main() {
	guest.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	root := command()
	addShells(root)
	addUsage(root)
	err := root.ExecuteContext(ctx)
	stop()
	var status exitStatus
	switch {
	case err == nil:
	case errors.As(err, &status):
		os.Exit(int(status))
	case errors.Is(err, errFailed):
		os.Exit(exitFailed)
	default:
		fmt.Fprintf(os.Stderr, "nkconform: %v%s\n", err, hint(err))
		os.Exit(exitUsage)
	}
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "nkconform",
		Short: "Conformance of attaching BPF programs to netkit and tcx hooks",
		Long: `nkconform plays scenarios, traces of system calls with the answers a kernel
must give, on a simulated kernel, on the running one, or on any kernel that it
boots in a virtual machine.

Exit status: 0 all passed, 1 something failed, 2 wrong usage or an environment
that cannot run what is asked.`,
		Example: `  nkconform run
  nkconform matrix debian:6.12 debian:7.3
  go test -exec 'nkconform exec --' ./...
  go test -exec 'nkconform vm debian:7.1 --' ./...`,
		SilenceUsage: true, SilenceErrors: true,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.Version = version()
	root.SetVersionTemplate("nkconform {{.Version}}\n")
	for _, g := range groups {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title + ":"})
		for _, c := range g.commands {
			sub := c()
			sub.GroupID = g.id
			root.AddCommand(sub)
		}
	}
	root.AddCommand(commandsCommand())
	last := groups[len(groups)-1].id
	root.SetHelpCommandGroupID(last)
	root.SetCompletionCommandGroupID(last)
	addCompletions(root)
	return root
}

// addShells adds the command that prints completions. Cobra's own takes a shell that it does
// not know for a wish for help.
func addShells(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	if c, _, err := root.Find([]string{"completion"}); err == nil {
		c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	}
}

// addUsage has a command, and all below it, say what they expect when their
// arguments are refused, by number or by name.
func addUsage(c *cobra.Command) {
	for _, sub := range c.Commands() {
		addUsage(sub)
	}
	check, usage := c.Args, "usage: "+c.UseLine()
	if check == nil {
		return
	}
	if c.HasSubCommands() {
		usage = c.CommandPath() + " --help lists the commands"
	}
	c.Args = func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return fmt.Errorf("%w\n%s", err, usage)
		}
		return nil
	}
}

// groups are the commands as help shows them.
var groups = []struct {
	id, title string
	commands  []func() *cobra.Command
}{
	{"play", "Play scenarios", []func() *cobra.Command{runCommand, matrixCommand, recordCommand, formatCommand, traceCommand}},
	{"programs", "Run programs", []func() *cobra.Command{execCommand, exploreCommand, vmCommand}},
	{"prove", "Prove the simulated kernel", []func() *cobra.Command{fuzzCommand, exhaustiveCommand, mutateCommand, coverageCommand}},
	{"look", "Look", []func() *cobra.Command{listCommand, explainCommand, reportCommand, diffCommand, kernelsCommand, doctorCommand}},
}
