package image

import "errors"

// ErrUnavailable is what errors are that say what this machine lacks, to fetch or
// to build a kernel, and how to get it.
var ErrUnavailable = errors.New("this machine cannot fetch or build kernels")

// lack is such an error.
type lack string

func (l lack) Error() string { return string(l) }

func (lack) Is(target error) bool { return target == ErrUnavailable }
