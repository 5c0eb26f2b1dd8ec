package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/nkconform/nkconform/trace"
)

func formatCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "fmt FILE.trace|FOLDER...",
		Short: "Write traces in the printer's form",
		Example: `  nkconform fmt my.trace
  nkconform fmt ./traces`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, paths []string) error {
			files, err := traceFiles(paths)
			if err != nil {
				return err
			}
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					return err
				}
				f, err := trace.Parse(file, string(text))
				if err != nil {
					return err
				}
				if f.String() == string(text) {
					continue
				}
				if err := replace(file, f.String()); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
