//go:build !linux

package harness

import (
	"context"

	"github.com/nkconform/nkconform/harness/image"
)

// machines holds one that explains why there is none.
var machines = []bootable{none{}}

type none struct{}

func (none) Name() string                                   { return "none" }
func (none) boots(image.Kind) bool                          { return true }
func (none) Available() error                               { return &UnavailableError{"none", "booting kernels needs a Linux host"} }
func (n none) Run(context.Context, Command) (Result, error) { return Result{}, n.Available() }
