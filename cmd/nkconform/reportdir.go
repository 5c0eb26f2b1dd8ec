package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-multierror"

	"github.com/nkconform/nkconform/matrix"
	"github.com/nkconform/nkconform/report"
)

// reportFiles are what a folder of a report holds.
var reportFiles = map[string]report.Format{
	"results.json": report.JSON,
	"junit.xml":    report.JUnit,
	"index.html":   report.HTML,
	"summary.md":   report.Summary,
	"results.txt":  report.Text,
}

// prepareReport makes the folder of a report and, in it, that of the console
// logs, which it returns.
func prepareReport(dir string) (logs string, err error) {
	logs = filepath.Join(dir, "logs")
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return "", fmt.Errorf("make report: %w", err)
	}
	return logs, nil
}

// writeAll writes results into a folder, if one is named, and to standard output,
// each whatever comes of the other.
func writeAll(dir string, r *report.Results, format string, verbose bool) error {
	var errDir error
	if dir != "" {
		errDir = writeReport(dir, r)
	}
	if err := writeResults(os.Stdout, r, format, verbose); errDir == nil {
		return err
	}
	return errDir
}

// writeReport writes results in every format. One that cannot be written does
// not keep the others from being.
func writeReport(dir string, r *report.Results) error {
	errs := &multierror.Error{ErrorFormat: matrix.Lines}
	for name, format := range reportFiles {
		if err := writeReportFile(filepath.Join(dir, name), r, format); err != nil {
			errs = multierror.Append(errs, fmt.Errorf("write report: %w", err))
		}
	}
	_ = os.Remove(filepath.Join(dir, "logs")) // if it is empty
	return errs.ErrorOrNil()
}

func writeReportFile(file string, r *report.Results, format report.Format) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // gone already when all went well
	err = r.Write(tmp, format, report.Style{})
	if err == nil {
		err = tmp.Chmod(0o644)
	}
	if errClose := tmp.Close(); err == nil {
		err = errClose
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}
