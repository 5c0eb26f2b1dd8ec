package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/harness"
	"github.com/nkconform/nkconform/harness/image"
	"github.com/nkconform/nkconform/internal/backend"
	"github.com/nkconform/nkconform/matrix"
	"github.com/nkconform/nkconform/report"
)

// completer tells a shell what may stand where a word is to be completed.
type completer = cobra.CompletionFunc

// completeFlags are the completers of flags that mean the same everywhere.
var completeFlags = map[string]completer{
	"backend": completeBackend,
	"against": completeBackend,
	"kernel":  completeRelease,
	"vm":      oneOf(machineNames),
	"only":    completeID,
	"hook":    oneOf(func() []string { return []string{"primary", "peer", "ingress", "egress"} }),
}

// completeArgs are the completers of arguments, by command; the others have files
// or none.
var completeArgs = map[string]completer{
	"run": completeID, "list": completeID, "explain": completeID,
	"vm": first(completeImage), "matrix": completeImage, "kernels fetch": completeImage,
	"exec": completeProgram,
}

// addCompletions gives a command and all below it what a shell completes.
func addCompletions(c *cobra.Command) {
	for _, sub := range c.Commands() {
		addCompletions(sub)
	}
	_, path, _ := strings.Cut(c.CommandPath(), " ")
	if f := completeArgs[path]; f != nil {
		c.ValidArgsFunction = matching(f)
	}
	for name, f := range completeFlags {
		register(c, name, f)
	}
	if flag := c.Flags().Lookup("format"); flag != nil {
		formats := []string{"text", "json"}
		if strings.Contains(flag.Usage, report.FormatNames()) {
			formats = nil
			for _, f := range report.Formats {
				formats = append(formats, string(f))
			}
		}
		register(c, "format", oneOf(func() []string { return formats }))
	}
}

// register completes a flag, if the command has it and it is the plain one.
func register(c *cobra.Command, name string, f completer) {
	flag := c.Flags().Lookup(name)
	if flag == nil || name == "hook" && flag.DefValue == "" { // explain's is a text
		return
	}
	if err := c.RegisterFlagCompletionFunc(name, matching(f)); err != nil {
		panic(err) // the flag is there, and registered once
	}
}

// matching offers only what the word begins.
func matching(f completer) completer {
	return func(c *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		list, directive := f(c, args, word)
		return slices.DeleteFunc(list, func(s cobra.Completion) bool { return !strings.HasPrefix(s, word) }), directive
	}
}

// oneOf completes one of a few words.
func oneOf(words func() []string) completer {
	return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return words(), cobra.ShellCompDirectiveNoFileComp
	}
}

// first completes the first argument; from the second on there are files.
func first(f completer) completer {
	return func(c *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return f(c, args, word)
	}
}

// machineNames are what --vm takes, as harness.Names says in words.
func machineNames() []string {
	return strings.FieldsFunc(strings.ReplaceAll(harness.Names(), " or ", ","), func(r rune) bool { return r == ',' || r == ' ' })
}

// completeProgram leaves a program and its arguments to the shell.
func completeProgram(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// completeID completes ids of scenarios and of the rules that they show, to the next
// slash: there are hundreds. What is no id may be a file.
func completeID(c *cobra.Command, _ []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var played choice
	if paths, err := c.Flags().GetStringArray("scenarios"); err == nil {
		played.paths = paths
	}
	list, err := played.load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	said := map[string]string{}
	for _, r := range fake.Rules() {
		said[string(r.ID)] = r.Text
	}
	for _, b := range fake.Behaviours() {
		said[string(b.ID)] = b.Text
	}
	for _, s := range list {
		said[s.ID] = s.Rule
	}
	var found []cobra.Completion
	directive := cobra.ShellCompDirectiveDefault
	for _, id := range slices.Sorted(maps.Keys(said)) {
		rest, ok := strings.CutPrefix(id, word)
		if !ok {
			continue
		}
		if next, _, more := strings.Cut(rest, "/"); more {
			found = append(found, word+next+"/")
			directive = cobra.ShellCompDirectiveNoSpace
			continue
		}
		found = append(found, cobra.CompletionWithDesc(id, firstLine(said[id])))
	}
	return slices.Compact(found), directive
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// releases are the versions of Linux at which the fake changes, and the newest.
func releases() []string {
	var names []string
	for _, r := range fake.Releases() {
		names = append(names, r.String())
	}
	return names
}

func completeRelease(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return releases(), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// completeBackend completes what --backend takes.
func completeBackend(c *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if ref, ok := strings.CutPrefix(word, backend.VMPrefix); ok {
		images, directive := completeImage(c, args, ref)
		for i := range images {
			images[i] = backend.VMPrefix + images[i]
		}
		return images, directive
	}
	return []cobra.Completion{
		cobra.CompletionWithDesc("fake", "the simulated kernel"),
		cobra.CompletionWithDesc("host", "the running kernel"),
		cobra.CompletionWithDesc(backend.VMPrefix, "a kernel booted for it"),
		cobra.CompletionWithDesc(backend.SourcePrefix, "a kernel's own code, compiled here"),
		cobra.CompletionWithDesc("testee:", "the running kernel through a program"),
	}, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completeImage completes the images that matrix boots, and tells which are in the
// cache: a shell does not wait for a network. Others are files.
func completeImage(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	entries, err := matrix.ParseList("the built-in list", matrix.DefaultList, matrix.Auto)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	cached, _ := image.Cached()
	var list []cobra.Completion
	for _, e := range entries {
		version := strings.TrimPrefix(e.Image, "debian:")
		if slices.ContainsFunc(cached, func(i image.Image) bool { return strings.HasPrefix(i.Release, version+".") }) {
			list = append(list, cobra.CompletionWithDesc(e.Image, "in the cache"))
			continue
		}
		list = append(list, e.Image)
	}
	return list, cobra.ShellCompDirectiveKeepOrder
}
