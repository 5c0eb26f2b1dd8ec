package harness

import (
	"context"

	"github.com/nkconform/nkconform/harness/image"
)

// Resolve finds the image that ref means, for the machine of that name, as
// image.Resolve does. What the machine needs and this host lacks is an
// *UnavailableError before anything is fetched.
func Resolve(ctx context.Context, machine, ref string, opts image.Options) (image.Image, error) {
	if kind, fetched := image.Fetched(ref); fetched {
		m, err := Pick(machine, image.Image{Kind: kind})
		if err == nil {
			err = m.Available()
		}
		if err != nil {
			return image.Image{}, err
		}
	}
	return image.Resolve(ctx, ref, opts)
}
