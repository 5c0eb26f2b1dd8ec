package harness

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/harness/image"
)

// Auto is the name that leaves the choice of a machine to Pick.
const Auto = "auto"

// kind is a Machine that knows which images are for it.
type kind interface {
	Machine
	boots(image.Kind) bool
	// slowness orders the kinds: of those that boot an image, the one with
	// the lowest is preferred.
	slowness() int
	// quick says that a boot costs little beside a suite.
	quick() bool
}

// kinds are those that register has been given, the fastest first.
var kinds []kind

// register makes a kind of machine known. Each is a file that calls it from
// its init function; nothing else knows the kinds there are.
func register(k kind) {
	kinds = append(kinds, k)
	slices.SortFunc(kinds, func(a, b kind) int { return cmp.Compare(a.slowness(), b.slowness()) })
}

// names are those of all machines, the fastest first.
func names() []string {
	list := make([]string, len(kinds))
	for i, k := range kinds {
		list[i] = k.Name()
	}
	return list
}

// Names lists in words what Pick takes: "auto, uml, qemu or vng".
func Names() string {
	list := append([]string{Auto}, names()...)
	if len(list) == 1 {
		return Auto
	}
	last := len(list) - 1
	return strings.Join(list[:last], ", ") + " or " + list[last]
}

// anyName is what the name of a machine looks like.
var anyName = regexp.MustCompile(`^[a-z]+$`)

// Known reports whether a machine has that name. Where there are no machines
// a name cannot be checked, and any may be planned for another system.
func Known(name string) bool {
	if len(kinds) == 0 {
		return anyName.MatchString(name)
	}
	return name == Auto || slices.Contains(names(), name)
}

// Slowness orders machines by how long they take to boot; Auto is the fastest.
func Slowness(name string) int { return slices.Index(names(), name) }

// Quick reports whether a machine boots so fast that a suite may be shared by several.
func Quick(name string) bool {
	return !slices.ContainsFunc(kinds, func(k kind) bool { return k.Name() == name && !k.quick() })
}

// Pick returns the machine called name. Auto is the fastest one that boots
// this kind of image and is available, or the one to install if none is.
func Pick(name string, img image.Image) (Machine, error) {
	if len(kinds) == 0 {
		return nil, &UnavailableError{name, "booting kernels needs a Linux host"}
	}
	if name != Auto {
		for _, k := range kinds {
			if k.Name() != name {
				continue
			}
			if !k.boots(img.Kind) {
				return nil, &UnavailableError{name, fmt.Sprintf("it does not boot %s images", img.Kind)}
			}
			return k, nil
		}
		return nil, fmt.Errorf("unknown machine %q: expected %s", name, Names())
	}
	var first Machine
	for _, k := range kinds {
		if !k.boots(img.Kind) {
			continue
		}
		if k.Available() == nil {
			return k, nil
		}
		if first == nil {
			first = k
		}
	}
	if first == nil {
		return nil, fmt.Errorf("no machine boots %s images", img.Kind)
	}
	return first, nil
}
