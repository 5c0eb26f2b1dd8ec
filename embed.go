// Package nkconform carries the data of the suite: the scenarios, one file
// each, whose path below testdata/scenarios is their id.
//
// Import fake for a simulated kernel in unit tests, and conformance to test an
// attach library of your own.
package nkconform

import (
	"embed"
	"io/fs"
)

//go:embed testdata/scenarios
var data embed.FS

// Scenarios returns the suite as a tree of .trace files.
func Scenarios() fs.FS {
	sub, err := fs.Sub(data, "testdata/scenarios")
	if err != nil {
		panic(err) // the embedded path is a constant
	}
	return sub
}
