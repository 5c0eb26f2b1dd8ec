package source

// callOn calls a function of C with two arguments on a stack.
//
//go:noescape
func callOn(function, stack, a, b uintptr)
