package main

import (
	"context"
	"errors"
	"time"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/report"
)

// eachScenario runs scenarios in this process, each in an environment of its
// own. It calls begin with what answers, then ended for each.
func eachScenario(ctx context.Context, name string, chosen []conformance.Scenario,
	begin func(report.Kernel) error, ended func(conformance.Scenario, conformance.Result) error) error {
	b, err := localBackend(name)
	if err != nil {
		return err
	}
	err = begin(b.kernel)
	for err == nil && len(chosen) > 0 {
		var results []conformance.Result
		var stopped error
		err = b.run(func() { results, stopped = b.some(ctx, chosen) })
		for i, r := range results {
			if err == nil {
				err = ended(chosen[i], r)
			}
		}
		if err == nil {
			err = stopped
		}
		chosen = chosen[len(results):]
	}
	return errors.Join(err, b.close())
}

// stretch is for how long scenarios are run, or a little longer, before their results
// are reported. To change over to that takes User-Mode Linux about as long as a short
// scenario, and the result of a kernel that dies meanwhile is lost.
const stretch = 5 * time.Millisecond

// some runs the first of the scenarios, at least one unless there is an error.
func (b *backend) some(ctx context.Context, chosen []conformance.Scenario) (results []conformance.Result, err error) {
	var took time.Duration
	for _, s := range chosen {
		if err := ctx.Err(); err != nil {
			return results, err
		}
		r, err := b.one(s)
		if err != nil {
			return results, err
		}
		results = append(results, r)
		if took += r.Took; took >= stretch {
			break
		}
	}
	return results, nil
}

// one runs a scenario. The error is that there is nothing to run it in.
func (b *backend) one(s conformance.Scenario) (conformance.Result, error) {
	env, err := b.open(s.Trace)
	if err != nil {
		return conformance.Result{}, err
	}
	r := conformance.Run(env, s)
	if err := env.Shutdown(); err != nil && r.Status != conformance.Failed {
		r.Status = conformance.Failed
		r.Failure = &conformance.Failure{Detail: "shut down: " + err.Error()}
	}
	return r, nil
}
