// Package recorded reads traces with the answers that real kernels gave once.
package recorded

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// Trace is a trace and the kernels that gave its answers.
type Trace struct {
	conformance.Scenario
	Kernels []Kernel
}

// Kernel is a kernel as a trace names it.
type Kernel struct {
	Release  string
	Features []string
}

// answeredBy begins the comments that name the kernels: release, machine,
// features.
const answeredBy = "# Answered by: "

// Load reads all traces of a folder, each of which names a kernel.
func Load(fsys fs.FS) ([]Trace, error) {
	all, err := conformance.Load(fsys)
	if err != nil {
		return nil, err
	}
	traces := make([]Trace, len(all))
	for i, s := range all {
		traces[i] = Trace{s, kernelsOf(s)}
		if len(traces[i].Kernels) == 0 {
			return nil, fmt.Errorf("%s: no comment %q", s.ID, answeredBy)
		}
	}
	return traces, nil
}

func kernelsOf(s conformance.Scenario) (list []Kernel) {
	for _, l := range s.Trace.Lines {
		if text, ok := strings.CutPrefix(l.Comment, answeredBy); ok {
			name, features, _ := strings.Cut(text, ", with")
			release, _, _ := strings.Cut(name, " ")
			list = append(list, Kernel{release, strings.Fields(features)})
		}
	}
	return list
}

// Fake returns a fake that is such a kernel.
func (k Kernel) Fake() (*fake.Kernel, error) {
	release, err := fake.ParseRelease(k.Release)
	if err != nil {
		return nil, err
	}
	options := []fake.Option{fake.Running(release)}
	for _, f := range mprog.Features {
		// Which other kinds of devices there are does not matter to a trace.
		if (f == mprog.FeatureNetkit || f == mprog.FeatureTCX) && !slices.Contains(k.Features, string(f)) {
			options = append(options, fake.Without(f))
		}
	}
	return fake.New(options...), nil
}
