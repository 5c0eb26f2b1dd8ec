package main

import (
	"context"
	"errors"
	"time"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/internal/backend"
	"github.com/nkconform/nkconform/matrix"
	"github.com/nkconform/nkconform/report"
)

// outcome is a scenario that has run.
type outcome struct {
	scenario conformance.Scenario
	result   conformance.Result
}

// player is a backend that plays scenarios.
type player struct {
	*backend.Backend
	begun int // scenarios
}

func opened(ctx context.Context, name string) (*player, error) {
	b, err := backend.Open(ctx, name, progress())
	return &player{Backend: b}, err
}

// eachScenario runs scenarios in this process, each in an environment of its
// own. It calls begin with what answers, then ended with some at a time.
func eachScenario(ctx context.Context, name string, chosen []conformance.Scenario,
	begin func(report.Kernel) error, ended func([]outcome) error) error {
	b, err := opened(ctx, name)
	if err != nil {
		return err
	}
	err = begin(b.Kernel)
	for err == nil && len(chosen) > 0 {
		var outcomes []outcome
		var stopped error
		err = b.Run(func() { outcomes, stopped = b.some(ctx, chosen) })
		if err == nil {
			err = errors.Join(ended(outcomes), stopped)
		}
		chosen = chosen[len(outcomes):]
	}
	return errors.Join(err, b.Close())
}

// stretch is for how long scenarios are run, or a little longer, before their results
// are reported. To change over to that takes User-Mode Linux about as long as a short
// scenario, and the result of a kernel that dies meanwhile is lost.
const stretch = 10 * time.Millisecond

// some runs the first of the scenarios, at least one unless there is an error.
func (b *player) some(ctx context.Context, chosen []conformance.Scenario) (outcomes []outcome, err error) {
	var took time.Duration
	for _, s := range chosen {
		if err := ctx.Err(); err != nil {
			return outcomes, err
		}
		r, err := b.one(s)
		if err != nil {
			return outcomes, err
		}
		outcomes = append(outcomes, outcome{s, r})
		if took += r.Took; took >= stretch {
			break
		}
	}
	return outcomes, nil
}

// one runs a scenario. The error is that there is nothing to run it in.
func (b *player) one(s conformance.Scenario) (conformance.Result, error) {
	env, err := b.New(s.Trace)
	if err != nil {
		return conformance.Result{}, err
	}
	b.begun++
	if threads, ok := env.(interface{ Label(string) error }); ok {
		_ = threads.Label(matrix.TaskName(b.begun)) // without it, it is less well told what broke a kernel
	}
	r := conformance.Run(env, s)
	if err := env.Shutdown(); err != nil && r.Status != conformance.Failed {
		r.Status = conformance.Failed
		r.Failure = &conformance.Failure{Detail: "shut down: " + err.Error()}
	}
	return r, nil
}
