package sim

import (
	"embed"
	"fmt"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/machine"
)

// Which helpers programs of a type may call is a file for each release at which
// that changes, as real kernels answered (internal/helpers).
//
//go:embed helpers
var helperFiles embed.FS

// permissions are those of a release.
type permissions struct {
	count int32 // of helpers, with number 0 that is none
	types map[string]numbers
	gpl   numbers // only for programs of a compatible license
	// What the verifier says of a helper that there is not, and of one of other
	// types, before its name and number.
	none, others string
}

func permissionsOf(r fake.Release) (*permissions, error) {
	lines, err := newestFile(helperFiles, "helpers", r)
	if err != nil {
		return nil, err
	}
	return readPermissions(lines)
}

func readPermissions(lines map[string]string) (*permissions, error) {
	p := &permissions{types: map[string]numbers{}, none: lines["says of none"], others: lines["says of others"]}
	for name, list := range lines {
		if strings.HasPrefix(name, "says ") {
			continue
		}
		set, err := readNumbers(list)
		if err != nil {
			return nil, fmt.Errorf("helpers: %s: %w", name, err)
		}
		switch name {
		case "count":
			for n := range set {
				p.count = n
			}
		case "gpl":
			p.gpl = set
		default:
			p.types[name] = set
		}
	}
	return p, nil
}

var oncePermissions once[*permissions]

// checkHelpers is what check_helper_call refuses of the helpers that a program
// gets to, with the words of the verifier's log. Types of which nothing is known
// may call all that there are.
func (k *call) checkHelpers(p *program, code *machine.Program) error {
	may, err := k.permissions()
	if err != nil {
		return err
	}
	var allowed numbers
	if int(p.typ) < len(progTypes) {
		name := progTypes[p.typ]
		if allowed = may.types[name+"/"+strconv.Itoa(int(p.expected()))]; allowed == nil {
			allowed = may.types[name]
		}
	}
	for _, c := range code.Calls(k.fixed) {
		name := fmt.Sprintf("bpf_%s#%d", machine.HelperName(c.Helper), c.Helper)
		switch {
		case c.Helper <= 0 || c.Helper >= may.count:
			return k.refuseHelper(p, c.At, fmt.Sprintf("unknown#%d", c.Helper), fmt.Sprintf("%sunknown#%d", may.none, c.Helper), nil)
		case allowed != nil && !allowed[c.Helper]:
			return k.refuseHelper(p, c.At, name, may.others+name, ofOtherTypes)
		case !p.gpl && may.gpl[c.Helper]:
			return k.refuseHelper(p, c.At, name, "cannot call GPL-restricted function from non-GPL compatible program", ofGPL)
		}
	}
	return nil
}

// fixed reads what a frozen map has that programs cannot change, either.
func (k *call) fixed(id, offset uint32, size int) (uint64, bool) {
	m := k.maps.byID[id]
	if m == nil || !m.frozen || m.flags&readProg == 0 || m.typ != arrayMap || uint64(offset)+uint64(size) > uint64(m.valueSize) {
		return 0, false
	}
	p := append(m.elements.get(make([]byte, 4))[offset:][:size:size], make([]byte, 8)...)
	switch size {
	case 1:
		return uint64(p[0]), true
	case 2:
		return uint64(native.Uint16(p)), true
	case 4:
		return uint64(native.Uint32(p)), true
	}
	return native.Uint64(p), true
}
