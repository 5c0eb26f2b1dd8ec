package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// row is one line of the table of kernels, in words.
type row struct {
	Name, Release, Machine, Boot, Suite, Total string
	Passed, Failed, Skipped, Known, NotRun     int
	Note                                       string
	OK                                         bool
}

// boots tells of a kernel that was booted again since it had said no word.
func (vm *VM) boots() string {
	switch {
	case vm == nil || vm.Boots < 2:
		return ""
	case vm.Boot == 0:
		return fmt.Sprintf("booted %d times", vm.Boots)
	}
	return fmt.Sprintf("came up at boot %d", vm.Boots)
}

// rows are the lines of the table of kernels, as text and pages show it.
func (r *Results) rows() []row {
	rows := make([]row, len(r.Runs))
	for i, run := range r.Runs {
		o := &rows[i]
		*o = row{Name: run.Name, Release: run.Kernel.Release, Machine: run.Kernel.Machine,
			Boot: "-", Suite: brief(run.Seconds), Total: "-", Note: run.Stopped, OK: run.OK(),
			Passed: run.Passed, Failed: run.Failed, Skipped: run.Skipped, Known: run.Known, NotRun: run.NotRun}
		o.Release, o.Machine = cmp.Or(o.Release, "-"), cmp.Or(o.Machine, "-")
		if vm := run.VM; vm != nil {
			o.Machine, o.Boot, o.Total = vm.kind(), brief(vm.Boot), brief(vm.Total)
			o.Note = cmp.Or(o.Note, vm.boots())
		}
	}
	return rows
}

// brief writes a duration in seconds, a dash for none.
func brief(seconds float64) string {
	switch {
	case seconds == 0:
		return "-"
	case seconds < 10:
		return fmt.Sprintf("%.2f s", seconds)
	}
	return fmt.Sprintf("%.1f s", seconds)
}

// table writes a line for each kernel.
func (r *Results) table(b *strings.Builder, style Style) {
	lines := [][]string{{"KERNEL", "RELEASE", "MACHINE", "BOOT", "SUITE", "TOTAL", "PASSED", "FAILED", "SKIPPED", ""}}
	rows := r.rows()
	for _, o := range rows {
		lines = append(lines, []string{o.Name, o.Release, o.Machine, o.Boot, o.Suite, o.Total,
			fmt.Sprint(o.Passed), fmt.Sprint(o.Failed), fmt.Sprint(o.Skipped), printable(o.Note)})
	}
	sum := r.Count()
	for _, extra := range []struct {
		head string
		of   func(row) int
		sum  int
	}{
		{"KNOWN", func(o row) int { return o.Known }, sum.Known},
		{"NOT RUN", func(o row) int { return o.NotRun }, sum.NotRun},
	} {
		if extra.sum == 0 {
			continue
		}
		lines[0] = slices.Insert(lines[0], 9, extra.head)
		for i, o := range rows {
			lines[i+1] = slices.Insert(lines[i+1], 9, fmt.Sprint(extra.of(o)))
		}
	}
	width := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for n, line := range lines {
		var text strings.Builder
		for i, cell := range line {
			if i < 3 || i == len(line)-1 {
				fmt.Fprintf(&text, "%-*s  ", width[i], cell)
			} else {
				fmt.Fprintf(&text, "%*s  ", width[i], cell)
			}
		}
		s := strings.TrimRight(text.String(), " ")
		switch {
		case n == 0:
			s = style.paint(dim, s)
		case !rows[n-1].OK:
			s = style.paint(red, s)
		}
		b.WriteString(s + "\n")
	}
	if r.Seconds > 0 {
		fmt.Fprintf(b, "%d kernels in %.1f s\n", len(r.Runs), r.Seconds)
	}
}
