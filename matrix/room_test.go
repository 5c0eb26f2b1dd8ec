package matrix

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/harness"
	"github.com/nkconform/nkconform/harness/image"
	"github.com/nkconform/nkconform/report"
	"github.com/nkconform/nkconform/trace"
)

// kernelFunc is what a kernel of a test does in one boot.
type kernelFunc func(ctx context.Context, boot int, c harness.Command) (harness.Result, error)

// room is a world of kernels by their names; others cannot be had.
type room struct {
	kernels map[string]kernelFunc

	mu    sync.Mutex
	boots map[string]int
	now   int // at once
	most  int
}

func (r *room) resolve(ctx context.Context, e Entry) (image.Image, error) {
	if ctx.Err() != nil {
		return image.Image{}, ctx.Err()
	}
	if r.kernels[e.Image] == nil {
		return image.Image{}, errors.New("image " + e.Image + ": there is none")
	}
	return image.Image{Ref: e.Image, Kind: image.BZImage}, nil
}

func (r *room) boot(ctx context.Context, machine string, c harness.Command) (string, harness.Result, error) {
	r.mu.Lock()
	if r.boots == nil {
		r.boots = map[string]int{}
	}
	r.boots[c.Image.Ref]++
	n := r.boots[c.Image.Ref]
	r.now++
	r.most = max(r.most, r.now)
	r.mu.Unlock()
	res, err := r.kernels[c.Image.Ref](ctx, n, c)
	r.mu.Lock()
	r.now--
	r.mu.Unlock()
	return "qemu", res, err
}

// suite has three scenarios, a, b and c.
func suite(t *testing.T) Suite {
	var s Suite
	for _, id := range []string{"a", "b", "c"} {
		f, err := trace.Parse(id, "# The rule "+id+".\nprog p\n")
		require.NoError(t, err)
		s.Scenarios = append(s.Scenarios, conformance.Scenario{ID: id, Rule: "The rule " + id + ".", Trace: f})
	}
	return s
}

// say reports cases as a guest does: those in failed failed.
func say(t *testing.T, out io.Writer, ids []string, failed ...string) *report.Streaming {
	s, err := report.NewStreaming(out, report.Kernel{Release: "7.1.13", Machine: "x86_64"})
	require.NoError(t, err)
	sayMore(t, s, ids, failed...)
	return s
}

func sayMore(t *testing.T, s *report.Streaming, ids []string, failed ...string) {
	for _, id := range ids {
		c := report.Case{ID: id, Status: report.Passed, Seconds: 0.5}
		for _, f := range failed {
			if f == id {
				c.Status, c.Failure = report.Failed, &report.Failure{Line: 2, Statement: "prog p", Expected: "= ok", Came: "! EPERM"}
			}
		}
		require.NoError(t, s.Case(c))
	}
}

var all = []string{"a", "b", "c"}

// took is the result of a boot that a guest came out of.
func took(status int) harness.Result {
	return harness.Result{ExitStatus: status, Release: "7.1.13", Boot: time.Second, Total: 3 * time.Second, Accel: "tcg"}
}

// lost is the result of a boot without a word.
var lost = harness.Result{ExitStatus: -1, Total: time.Second, Accel: "tcg"}

// entries are rows of a matrix with the automatic machine.
func entries(names ...string) []Entry {
	var list []Entry
	for _, n := range names {
		list = append(list, Entry{n, Auto})
	}
	return list
}
