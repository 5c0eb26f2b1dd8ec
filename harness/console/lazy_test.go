package console

import "testing"

// What is compiled when it is needed first can be compiled.
func TestExpressionsCompile(t *testing.T) {
	all := []*expression{opening, stamp, rip, frame, beginStack, plumbing, dull, endTrace, endStack, ruler}
	for _, p := range patterns {
		all = append(all, p.begin, p.end)
	}
	for _, e := range append(all, tasks...) {
		if e != nil {
			e.compiled()
		}
	}
}
