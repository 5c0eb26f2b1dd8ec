package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-multierror"
	"github.com/spf13/cobra"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/harness"
	"github.com/nkconform/nkconform/internal/backend"
	"github.com/nkconform/nkconform/matrix"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// recordOptions are the flags of record.
type recordOptions struct {
	backend, machine string
	kernel           string
	note, print      bool
	chosen           choice // in the guest
	timeout          time.Duration
}

func recordCommand() *cobra.Command {
	var o recordOptions
	c := &cobra.Command{
		Use:   "record [flags] FILE.trace|FOLDER|PATTERN...",
		Short: "Write a kernel's answers into traces",
		Long: `Record plays each trace and writes the answers that came into its file, in place
of those it had; of scenarios of the suite that match a PATTERN it prints them. A trace
that the backend cannot perform is left as it is.

` + patternsHelp + `

With --note a comment at the top names the kernel. If it names others already and
the answers are not theirs, the file is left as it is and the exit status is 1.`,
		Example: `  sudo nkconform record --backend host my.trace
  nkconform record --backend vm:debian:7.3 --note testdata/recorded/releases
  nkconform record --backend vm:debian:6.12 order/before`,
		Args: func(c *cobra.Command, args []string) error {
			if o.print { // what is recorded may have ids only
				return nil
			}
			return cobra.MinimumNArgs(1)(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if o.print {
				return printRecorded(c.Context(), o, args)
			}
			return record(c.Context(), o, args)
		},
	}
	f := c.Flags()
	f.StringVarP(&o.backend, "backend", "b", "fake", "what answers: fake, host or vm:IMAGE")
	f.StringVarP(&o.kernel, "kernel", "k", "", kernelUsage)
	f.BoolVar(&o.note, "note", false, "name the kernel in a comment")
	f.StringVar(&o.machine, "vm", harness.Auto, "machine that boots the image: "+harness.Names())
	f.DurationVar(&o.timeout, "timeout", 30*time.Minute, "limit for a virtual machine, from boot to end")
	f.BoolVar(&o.print, "print", false, "in the guest: print what is recorded")
	_ = f.MarkHidden("print") // the flag is defined above
	o.chosen.addIDs(f)
	return c
}

// recording is what a backend answered: the traces with the answers, by file or by id
// of the suite's scenario.
type recording struct {
	Kernel string
	Traces map[string]string
	Errors map[string]string
}

// printRecorded prints a recording for the host.
func printRecorded(ctx context.Context, o recordOptions, files []string) error {
	var chosen []conformance.Scenario
	if len(o.chosen.ids) > 0 {
		var err error
		if chosen, err = o.chosen.load(); err != nil {
			return err
		}
	}
	r, err := recordLocal(ctx, o.backend, files, chosen)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// toRecord are the files and the scenarios of the suite that arguments name.
func toRecord(args []string) (files []string, chosen []conformance.Scenario, err error) {
	c := choose(args)
	if files, err = traceFiles(c.paths); err != nil || len(c.patterns) == 0 {
		return files, nil, err
	}
	chosen, err = choice{patterns: c.patterns}.load()
	return files, chosen, err
}

func record(ctx context.Context, o recordOptions, args []string) error {
	files, chosen, err := toRecord(args)
	if err != nil {
		return err
	}
	if o.note && len(chosen) > 0 {
		return errors.New("--note writes into files: expected FILE.trace or FOLDER, and no PATTERN")
	}
	name, err := backend.Name(o.backend, o.kernel)
	if err != nil {
		return err
	}
	var r recording
	if image, ok := backend.Image(o.backend); ok {
		r, err = recordInVM(ctx, o, image, files, chosen)
	} else {
		r, err = recordLocal(ctx, name, files, chosen)
	}
	if err != nil {
		return err
	}
	errs := &multierror.Error{ErrorFormat: matrix.Lines}
	differ := false
	for _, file := range files {
		text, ok := r.Traces[file]
		if !ok {
			errs = multierror.Append(errs, errors.New(r.Errors[file]))
			continue
		}
		if o.note {
			if text, ok = noteKernel(text, file, r.Kernel); !ok {
				differ = true
				fmt.Printf("%s: %s answers otherwise\n", file, r.Kernel)
				continue
			}
		}
		if err := replace(file, text); err != nil {
			errs = multierror.Append(errs, err)
		}
	}
	for _, s := range chosen {
		text, ok := r.Traces[s.ID]
		if !ok {
			errs = multierror.Append(errs, errors.New(r.Errors[s.ID]))
			continue
		}
		if len(chosen) > 1 {
			fmt.Printf("## %s\n", s.ID)
		}
		fmt.Print(text)
	}
	if err := errs.ErrorOrNil(); err != nil {
		return err
	}
	if differ {
		return errFailed
	}
	return nil
}

// answeredBy begins the comments that name the kernels which gave a trace's
// answers.
const answeredBy = "# Answered by: "

// noteKernel adds a kernel to a recorded trace. It is not ok if the file holds
// other answers of other kernels.
func noteKernel(text, file, kernel string) (_ string, ok bool) {
	line := answeredBy + kernel
	f, err := trace.Parse(file, text)
	if err != nil {
		return text, false
	}
	at, others := 0, 0
	for i, l := range f.Lines {
		if l.Statement != nil || l.Comment == "" {
			break
		}
		at = i + 1
		if l.Comment == line {
			at = -1
			break
		}
		if strings.HasPrefix(l.Comment, answeredBy) {
			others++
		}
	}
	if at >= 0 {
		f.Lines = slices.Insert(f.Lines, at, trace.Line{Comment: line})
	}
	old, err := os.ReadFile(file)
	if err != nil {
		return text, false
	}
	if before, err := trace.Parse(file, string(old)); others > 0 && (err != nil || before.String() != text) {
		return text, false
	}
	return f.String(), true
}

// recordLocal records in this process.
func recordLocal(ctx context.Context, name string, files []string, chosen []conformance.Scenario) (recording, error) {
	r := recording{Traces: map[string]string{}, Errors: map[string]string{}}
	b, err := backend.Open(ctx, name, progress())
	if err != nil {
		return r, err
	}
	note := func(name string, f *trace.File, err error) {
		if err == nil {
			r.Traces[name], r.Kernel, err = recordTrace(b, f)
		}
		if err != nil {
			delete(r.Traces, name)
			r.Errors[name] = err.Error()
		}
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			note(file, nil, err)
			continue
		}
		f, err := trace.Parse(file, string(text))
		note(file, f, err)
	}
	for _, s := range chosen {
		note(s.ID, s.Trace, nil)
	}
	return r, b.Close()
}

func recordTrace(b *backend.Backend, f *trace.File) (text, kernel string, err error) {
	env, err := b.New(f)
	if err != nil {
		return "", "", err
	}
	kernel = describeKernel(b, env)
	recorded, err := conformance.Record(env, f)
	if downErr := env.Shutdown(); err == nil {
		err = downErr
	}
	if err != nil {
		return "", "", err
	}
	return recorded.String(), kernel, nil
}

// describeKernel names a kernel by its release and what it has.
func describeKernel(b *backend.Backend, env mprog.Environment) string {
	var features []string
	for _, f := range mprog.Features {
		if env.Supports(f) == nil {
			features = append(features, string(f))
		}
	}
	return fmt.Sprintf("%s %s, with %s", b.Kernel.Release, b.Kernel.Machine, strings.Join(features, " "))
}

// replace writes a file whole or not at all.
func replace(file, text string) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), ".nkconform-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", file, errors.Unwrap(err)) // not the temporary file's name
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
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}
