package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// commandTree is a command as internal/man reads it.
type commandTree struct {
	Use, Short, Long, Example string
	Flags                     []commandFlag
	Commands                  []commandTree
}

// commandFlag is a flag of a command.
type commandFlag struct {
	Name, Shorthand, Usage, Type, Default, Bare string // Bare: what it means without a value
}

// commandsCommand is for what makes manual pages, which has a library that this
// program does without.
func commandsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "commands", Short: "Print all commands and their flags as JSON", Hidden: true,
		Example: "  nkconform commands", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return printJSON(treeOf(c.Root())) },
	}
}

func treeOf(c *cobra.Command) commandTree {
	t := commandTree{Use: c.Use, Short: c.Short, Long: c.Long, Example: c.Example}
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		t.Flags = append(t.Flags, commandFlag{f.Name, f.Shorthand, f.Usage, f.Value.Type(), f.DefValue, f.NoOptDefVal})
	})
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			t.Commands = append(t.Commands, treeOf(sub))
		}
	}
	return t
}
