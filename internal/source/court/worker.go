// Package court runs the suite on mutants of a kernel's code: each in a process that may hang or
// die of it.
package court

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform"
	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/internal/source"
)

// Work plays the suite on the mutants whose numbers it reads, one a line with the scenarios
// to play first, and answers each with a line: the number, and what the first scenario that
// ends otherwise than without a mutant is, if there is one.
func Work(s *source.Source, in io.Reader, out io.Writer) error {
	all, err := conformance.Load(nkconform.Scenarios())
	if err != nil {
		return err
	}
	w := worker{s: s, all: all, byID: map[string]int{}}
	for i, sc := range all {
		w.byID[sc.ID] = i
		end, err := w.play(sc)
		if err != nil {
			return err
		}
		w.ends = append(w.ends, end)
	}
	fmt.Fprintln(out, "ready")
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		n, err := strconv.Atoi(words[0])
		if err != nil {
			return fmt.Errorf("read the number of a mutant: %w", err)
		}
		by, err := w.judge(n, words[1:], func() { fmt.Fprintln(out, stillThere) })
		if err != nil {
			return err
		}
		fmt.Fprintln(out, n, by)
	}
	return lines.Err()
}

type worker struct {
	s    *source.Source
	all  []conformance.Scenario
	byID map[string]int
	ends []conformance.Status // without a mutant
}

// stillThere is what a worker says now and then while it judges.
const stillThere = "still there"

func (w *worker) judge(n int, first []string, lives func()) (by string, err error) {
	w.s.Mutate(n)
	order := make([]int, 0, len(w.all)+len(first))
	for _, id := range first {
		order = append(order, w.byID[id])
	}
	for i := range w.all {
		order = append(order, i)
	}
	for i, at := range order {
		if i%100 == 99 {
			lives()
		}
		if i >= len(first) && slices.Contains(first, w.all[at].ID) {
			continue
		}
		end, err := w.play(w.all[at])
		if err != nil {
			return "", err
		}
		if end != w.ends[at] {
			return w.all[at].ID, nil
		}
	}
	return "", nil
}

// play plays a scenario. What the kernel's code breaks on its way down is a failure, too.
func (w *worker) play(sc conformance.Scenario) (end conformance.Status, err error) {
	k, err := w.s.New()
	if err != nil {
		return "", err
	}
	end = conformance.Run(k, sc).Status
	if k.Shutdown() != nil {
		end = conformance.Failed
	}
	return end, nil
}
