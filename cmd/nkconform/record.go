package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/trace"
)

func recordCommand() *cobra.Command {
	var name string
	c := &cobra.Command{
		Use:   "record [flags] FILE...",
		Short: "Write a kernel's answers into traces",
		Long: `Record plays each trace and writes the answers that came into its file, in place
of those it had. A trace that the backend cannot perform is left as it is.`,
		Example: `  sudo nkconform record --backend host my.trace`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error {
			b, err := localBackend(name)
			if err != nil {
				return err
			}
			for _, f := range files {
				if err := record(b, f); err != nil {
					return err
				}
			}
			return b.close()
		},
	}
	c.Flags().StringVarP(&name, "backend", "b", "fake", "what answers: fake or host")
	return c
}

func record(b *backend, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	f, err := trace.Parse(file, string(text))
	if err != nil {
		return err
	}
	env, err := b.open(f)
	if err != nil {
		return err
	}
	recorded, err := conformance.Record(env, f)
	if downErr := env.Shutdown(); err == nil {
		err = downErr
	}
	if err != nil {
		return err
	}
	return replace(file, recorded.String())
}

// replace writes a file whole or not at all.
func replace(file, text string) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), ".nkconform-*")
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	defer os.Remove(tmp.Name()) // gone already when all went well
	if _, err = tmp.WriteString(text); err == nil {
		err = tmp.Chmod(0o644)
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("record %s: %w", file, err)
	}
	return nil
}
