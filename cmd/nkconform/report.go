package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/nkconform/nkconform/report"
)

func reportCommand() *cobra.Command {
	var format, dir string
	var verbose bool
	c := &cobra.Command{
		Use:   "report [flags] FILE...",
		Short: "Turn saved results, also of several machines, into a report",
		Long: `Report reads results that run or matrix wrote with --format json, or - for
standard input, puts those of several files together, and writes them in any
format. It fails if the results do.`,
		Example: `  nkconform report results.json
  nkconform report --format html shard-*.json >index.html
  nkconform report --dir out amd64.json arm64.json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error {
			if _, err := report.ParseFormat(format); err != nil {
				return err
			}
			var parts []*report.Results
			for _, file := range files {
				r, err := readResults(file)
				if err != nil {
					return err
				}
				parts = append(parts, r)
			}
			results := report.Merge(parts...)
			if dir != "" {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					return fmt.Errorf("make report: %w", err)
				}
			}
			return writeAll(dir, results, format, verbose)
		},
	}
	f := c.Flags()
	f.StringVarP(&format, "format", "f", "text", "how to report: "+report.FormatNames())
	f.StringVarP(&dir, "dir", "d", "", "folder to write a report into, in every format")
	f.BoolVarP(&verbose, "verbose", "v", false, "tell every failure, and name what passed or was skipped")
	return c
}

func diffCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "diff BEFORE AFTER",
		Short: "Tell what changed between two saved results",
		Long: `Diff compares results that run or matrix wrote with --format json. Kernels are
matched by name; two files of one kernel each are compared whatever the names.

Exit status: 0 nothing changed, 1 something changed, 2 the files cannot be read.`,
		Example: `  nkconform diff yesterday.json today.json
  nkconform diff --format json yesterday.json today.json`,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, files []string) error {
			if err := textOrJSON(format); err != nil {
				return err
			}
			before, err := readResults(files[0])
			if err != nil {
				return err
			}
			after, err := readResults(files[1])
			if err != nil {
				return err
			}
			changes := report.Diff(before, after)
			if format == "json" {
				err = printJSON(changes)
			} else {
				err = report.WriteChanges(os.Stdout, changes, style(os.Stdout, false))
			}
			if err == nil && len(changes) > 0 {
				err = errFailed
			}
			return err
		},
	}
	c.Flags().StringVarP(&format, "format", "f", "text", "text or json")
	return c
}
