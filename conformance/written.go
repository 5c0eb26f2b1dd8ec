package conformance

import (
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// writes reports whether a query that ends with an errno has written something.
func writes(errno mprog.Errno) bool {
	return errno == 0 || errno == mprog.ENOSPC || errno == mprog.EFAULT
}

// unwritten is a number that no kernel writes as attach flags.
const unwritten = 0xffffffff

// Unwritten prepares an array of attach flags for a query.
func Unwritten(array []uint32) []uint32 {
	for i := range array {
		array[i] = unwritten
	}
	return array
}

// Written says in a trace's words what a query has written to an array that
// [Unwritten] prepared; "" for none.
func Written(array []uint32) string {
	if array == nil {
		return ""
	}
	return trace.FormatNumbers(written(array, unwritten))
}

// written returns an array without what is still as it was at its end.
func written(array []uint32, before uint32) []uint32 {
	n := len(array)
	for n > 0 && array[n-1] == before {
		n--
	}
	return array[:n]
}
