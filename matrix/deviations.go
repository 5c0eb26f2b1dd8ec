package matrix

import (
	_ "embed"

	"github.com/nkconform/nkconform/deviation"
)

//go:embed deviations.txt
var deviations string

// DefaultDeviations are what released kernels are known to do differently from
// what the suite says.
func DefaultDeviations() (deviation.List, error) {
	return deviation.Parse("the built-in list", deviations)
}
