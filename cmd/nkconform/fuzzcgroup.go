package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nkconform/nkconform/conformance/lockstep"
)

// fuzzCgroups compares two backends on random traces about cgroups, until they differ, or
// the traces or the time are at their end.
func fuzzCgroups(ctx context.Context, o fuzzOptions, a, b lockstep.Backend) error {
	began, played, steps, succeeded := time.Now(), 0, 0, 0
	tell := func() {
		fmt.Printf("%s and %s: seed %d, %d traces about cgroups from %d on, %d statements, %d %% succeeded, %s\n", a.Name, b.Name, o.seed,
			played, o.first, steps, 100*succeeded/max(steps, 1), time.Since(began).Round(time.Second))
	}
	for n := o.first; ctx.Err() == nil && (o.sequences == 0 || played < o.sequences) && (o.limit == 0 || time.Since(began) < o.limit); n++ {
		name := fmt.Sprintf("seed %d, trace %d", o.seed, n)
		answers, ok, err := lockstep.CompareTrace(a, b, name, lockstep.CgroupTrace(o.seed, n, o.steps))
		if err != nil {
			return err
		}
		played, steps, succeeded = played+1, steps+o.steps, succeeded+ok
		if answers[0] != answers[1] {
			fmt.Fprintf(os.Stderr, "%s: the answers differ\n%s", name, differing(answers))
			tell()
			return errFailed
		}
	}
	tell()
	return nil
}

// differing shows a trace up to the first line that differs, with both answers.
func differing(answers [2]string) string {
	as, bs := strings.Split(answers[0], "\n"), strings.Split(answers[1], "\n")
	var b strings.Builder
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			fmt.Fprintf(&b, "- %s\n+ %s\n", as[i], bs[i])
			break
		}
		b.WriteString("  " + as[i] + "\n")
	}
	return b.String()
}

var errNoSaving = errors.New("--save does not go with --cgroups")
