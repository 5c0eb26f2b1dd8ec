//go:build linux && !amd64

package source

func callOn(function, stack, a, b uintptr) {
	panic("unreachable: compiled refuses other architectures")
}
