package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/internal/reproducer"
)

func traceCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "trace",
		Short:   "Say traces in another language",
		Example: "  nkconform trace c my.trace > reproducer.c",
	}
	c.AddCommand(traceCCommand())
	return c
}

func traceCCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "c [FILE.trace|FOLDER]... [PATTERN]...",
		Short: "Print a program in C that plays traces",
		Long: `C prints a program of one file that makes the calls of traces with bpf(2) and
rtnetlink, and checks their answers: what to send to who looks after a kernel. It
needs no library, and headers of any age. Run as root, it plays each trace in
namespaces of its own, prints TAP, and exits with 0 when all is as expected, 1 when
it is not, 2 where it cannot run, and 4 where the kernel lacks what all traces need.

` + patternsHelp + `

Left out, and told, are traces with other processes and namespaces, packets, qdiscs
and filters.`,
		Example: `  nkconform trace c my.trace > reproducer.c && cc -o reproducer reproducer.c
  nkconform trace c revision/stale > reproducer.c
  sudo ./reproducer -v`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			chosen, err := choose(args).load()
			if err != nil {
				return err
			}
			var said []conformance.Scenario
			var unsaid error
			for _, s := range chosen {
				switch _, err := reproducer.C(s); {
				case errors.Is(err, reproducer.ErrUnsaid):
					unsaid = err
					fmt.Fprintln(c.ErrOrStderr(), "nkconform: left out:", err)
				case err != nil:
					return err
				default:
					said = append(said, s)
				}
			}
			if len(said) == 0 {
				return fmt.Errorf("nothing is left: %w", unsaid)
			}
			program, err := reproducer.C(said...)
			if err != nil {
				return err
			}
			fmt.Fprint(c.OutOrStdout(), program)
			return nil
		},
	}
}
