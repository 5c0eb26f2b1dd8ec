package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/nkconform/nkconform/internal/page/html"
)

// writePage writes the page with the simulated kernel in it to a file, or to stdout
// for "-".
func writePage(file string) error {
	kernel, carried := html.Embedded()
	if !carried {
		fmt.Fprintln(os.Stderr, "building the page's kernel with Go …")
		var err error
		if kernel, err = html.Build(bareVersion()); err != nil {
			return err
		}
	}
	page, err := html.Page(kernel, bareVersion())
	if err != nil {
		return err
	}
	if file == "-" {
		_, err = os.Stdout.Write(page)
	} else {
		err = os.WriteFile(file, page, 0o644)
	}
	if err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	fmt.Fprintf(os.Stderr, "%s: %.1f MB, open it in a browser\n", file, float64(len(page))/1e6)
	return nil
}

// bareVersion is the version without what it was built with.
func bareVersion() string { return strings.Fields(version())[0] }
