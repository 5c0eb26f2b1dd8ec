// Command man makes manual pages, one for each command, of what nkconform
// commands prints:
//
//	nkconform commands | go -C internal/man run . DIR
//
// It is a module of its own, so that what it needs is nobody else's. The pages
// have the date of SOURCE_DATE_EPOCH, in seconds since 1970.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

// command is a command as nkconform prints it.
type command struct {
	Use, Short, Long, Example string
	Flags                     []struct{ Name, Shorthand, Usage, Type, Default, Bare string }
	Commands                  []command
}

// value is a flag's value that is only described.
type value struct{ kind, text string }

func (v value) String() string   { return v.text }
func (v value) Type() string     { return v.kind }
func (v value) Set(string) error { return nil }

func (c command) cobra() *cobra.Command {
	made := &cobra.Command{
		Use: c.Use, Short: markdown(c.Short), Long: markdown(c.Long), Example: c.Example,
		Run: func(*cobra.Command, []string) {}, DisableAutoGenTag: true,
	}
	for _, f := range c.Flags {
		made.Flags().AddFlag(&pflag.Flag{
			Name: f.Name, Shorthand: f.Shorthand, Usage: markdown(f.Usage), DefValue: f.Default, NoOptDefVal: f.Bare, Value: value{f.Type, f.Default},
		})
	}
	for _, sub := range c.Commands {
		made.AddCommand(sub.cobra())
	}
	return made
}

func run(dir string) error {
	var root command
	if err := json.NewDecoder(os.Stdin).Decode(&root); err != nil {
		return fmt.Errorf("read commands: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return doc.GenManTree(root.cobra(), &doc.GenManHeader{Section: "1", Source: "nkconform", Manual: "nkconform"}, dir)
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: nkconform commands | man DIR")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "man:", err)
		os.Exit(1)
	}
}
