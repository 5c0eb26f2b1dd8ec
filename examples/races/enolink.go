package races

import (
	"fmt"

	"github.com/nkconform/nkconform/explore"
	"github.com/nkconform/nkconform/mprog"
)

// linkPin is where agents of the same kind find the link that they share.
const linkPin = mprog.BPFFS + "/link"

// UnpinDefunct updates the link that is pinned. Where its device is gone, ENOLINK, it
// unpins the link and makes another one: but what is pinned by then may be what
// somebody else has just made.
func UnpinDefunct(ifindex uint32) func(mprog.Kernel) error {
	return func(k mprog.Kernel) error { return upsert(k, ifindex, linkPin, true) }
}

// PinByDevice has a path for each device, by its ifindex: a link whose device is gone is
// in nobody's way, and nobody has to unpin.
func PinByDevice(ifindex uint32) func(mprog.Kernel) error {
	return func(k mprog.Kernel) error {
		return upsert(k, ifindex, fmt.Sprintf("%s-%d", linkPin, ifindex), false)
	}
}

func upsert(k mprog.Kernel, ifindex uint32, path string, unpins bool) error {
	prog, err := explore.Load(k, "shared")
	if err != nil {
		return err
	}
	err = update(k, prog, path)
	switch {
	case is(err, mprog.ENOLINK) && unpins:
		if err := k.Unlink(path); err != nil && !is(err, mprog.ENOENT) {
			return err
		}
	case !is(err, mprog.ENOENT):
		return err
	}
	link, err := k.LinkCreate(mprog.LinkCreateRequest{ProgFD: prog, TargetIfindex: ifindex, AttachType: Primary})
	if err != nil {
		return err
	}
	if err := k.ObjPin(mprog.PinRequest{FD: link, Path: path}); !is(err, mprog.EEXIST) {
		return err
	}
	if err := k.Close(link); err != nil { // somebody was faster
		return err
	}
	return update(k, prog, path)
}

func update(k mprog.Kernel, prog uint32, path string) error {
	link, err := k.ObjGet(mprog.GetRequest{Path: path})
	if err != nil {
		return err
	}
	return k.LinkUpdate(mprog.LinkUpdateRequest{LinkFD: link, NewProgFD: prog})
}
