package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryCommandHasExamples(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		assert.NotEmpty(t, c.Example, c.CommandPath())
		assert.NotEmpty(t, c.Short, c.CommandPath())
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(command())
}

// word is one of a shell's command line.
var word = regexp.MustCompile(`'[^']*'|"[^"]*"|[^\s'"]+`)

// ofSuite matches calls that name scenarios of the suite, and nothing else.
var ofSuite = regexp.MustCompile(`^(run|list|explain) [^-.]+$`)

// What examples call there is: commands, flags, numbers of arguments, scenarios.
func TestExamplesCanBeCalled(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		for line := range strings.Lines(c.Example) {
			_, line, ok := strings.Cut(line, "nkconform ")
			if !ok || strings.Contains(c.Example, "scripts/") {
				continue
			}
			line, _, _ = strings.Cut(line, ">")
			args := word.FindAllString(line, -1)
			for i, arg := range args {
				args[i] = strings.Trim(arg, `'"`)
			}
			called, args, err := command().Find(args)
			require.NoError(t, err, line)
			require.NoError(t, called.ParseFlags(args), line)
			args = called.Flags().Args()
			require.NoError(t, called.ValidateArgs(args), line)
			if ofSuite.MatchString(line) {
				_, err := choice{patterns: args}.load()
				require.NoError(t, err, line)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(command())
}
