package report

import (
	"cmp"
	"slices"
	"strings"
)

// wholeKernel begins the ids of what is said of a kernel as a whole.
const wholeKernel = "kernel/"

// compareIDs orders ids part by part, so that a folder's cases stay together,
// and what is said of a kernel as a whole before all.
func compareIDs(a, b string) int {
	first := func(id string) int {
		if strings.HasPrefix(id, wholeKernel) {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(first(a), first(b)), slices.Compare(strings.Split(a, "/"), strings.Split(b, "/")))
}

// folder is the part of an id by which cases are grouped.
func folder(id string) string {
	first, _, _ := strings.Cut(id, "/")
	return first
}
