package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/deviation"
	"github.com/nkconform/nkconform/matrix"
	"github.com/nkconform/nkconform/report"
)

// style is how text looks on a file: coloured on terminals.
func style(out *os.File, verbose bool) report.Style {
	return report.Style{
		Verbose: verbose,
		Color:   term.IsTerminal(int(out.Fd())) && os.Getenv("NO_COLOR") == "",
	}
}

// writeResults writes results and returns errFailed if they are no success.
func writeResults(out *os.File, r *report.Results, format string, verbose bool) error {
	if err := r.Write(out, report.Format(format), style(out, verbose)); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	if !r.OK() {
		return errFailed
	}
	return nil
}

// textOrJSON checks the format of what is not results.
func textOrJSON(format string) error {
	if format != "text" && format != "json" {
		return fmt.Errorf("unknown format %q: expected text or json", format)
	}
	return nil
}

func printJSON(v any) error {
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// readResults reads the JSON form from a file, or from standard input for "-".
func readResults(file string) (*report.Results, error) {
	var in io.Reader = os.Stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("read results: %w", err)
		}
		defer f.Close()
		in = f
	}
	r, err := report.Decode(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// loadDeviations reads the list of known deviations: the file's or, for the
// suite, the built-in one. Of scenarios that were not chosen by patterns, each
// case on it must be one.
func loadDeviations(file string, c choice, chosen []conformance.Scenario) (deviation.List, error) {
	list, err := readDeviations(file, c)
	if err != nil {
		return nil, fmt.Errorf("known deviations: %w", err)
	}
	if len(c.patterns)+len(c.ids) > 0 {
		return list, nil
	}
	ids := make([]string, len(chosen))
	for i, s := range chosen {
		ids[i] = s.ID
	}
	for _, d := range list.Unknown(ids) {
		return nil, fmt.Errorf("known deviations: %s: there is no scenario %q", d.Where, d.Case)
	}
	return list, nil
}

func readDeviations(file string, c choice) (deviation.List, error) {
	switch {
	case file != "":
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		return deviation.Parse(file, string(text))
	case len(c.paths) == 0:
		return matrix.DefaultDeviations()
	}
	return nil, nil
}
