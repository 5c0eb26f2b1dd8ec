// Command suite runs the suite on the fake and stops at the first scenario
// that does not pass: exit status 1, its id on standard output.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/nkconform/nkconform"
	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/trace"
)

func main() {
	time.AfterFunc(20*time.Second, func() { // a mutant may loop or deadlock
		fmt.Println("hangs")
		os.Exit(1)
	})
	all, err := conformance.Load(nkconform.Scenarios())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	for _, s := range all {
		if id := fails(s); id != "" {
			fmt.Println(id)
			os.Exit(1)
		}
	}
}

func fails(s conformance.Scenario) (id string) {
	defer func() {
		if recover() != nil {
			id = s.ID + " (panic)"
		}
	}()
	env := fake.New(without(s.Trace)...)
	r := conformance.Run(env, s)
	if err := env.Shutdown(); err != nil || r.Status != conformance.Passed {
		return s.ID
	}
	return ""
}

// without are the options for a fake that lacks what a scenario says that it must
// lack.
func without(f *trace.File) []fake.Option {
	var options []fake.Option
	for _, s := range f.Statements() {
		if s.Verb != "need" {
			continue
		}
		for _, word := range s.Operands {
			if feature, absent := trace.ParseNeed(word); absent {
				options = append(options, fake.Without(feature))
			}
		}
	}
	return options
}
