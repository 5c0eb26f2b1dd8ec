package fake

import (
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/trace"
)

// names gives everything on a machine a name of its own, in the language of
// traces. They depend on nothing but the calls made.
type names map[string]bool

// reserved says whether a name is one that is made up for what has none: l, q, n or x
// with a number, or lo.
func reserved(name string) bool {
	number := strings.TrimLeft(name[min(1, len(name)):], "0123456789") == "" && len(name) > 1
	return name == "lo" || number && strings.ContainsRune("lqnx", rune(name[0]))
}

// claim returns a name that nothing else has, as close to the wanted one as can
// be; or the spare one when that is no name at all.
func (n names) claim(wanted, spare string) string {
	name := strings.ReplaceAll(wanted, ".", "_")
	if !trace.IsName(name) {
		name = spare
	}
	base := name
	for i := 2; n[name] || name != spare && reserved(name); i++ {
		end := "_" + strconv.Itoa(i)
		name = base[:min(len(base), 15-len(end))] + end
	}
	n[name] = true
	return name
}

// label names a program: as it was named when it was loaded, if no earlier one
// has that name.
func (p *program) label() string { return p.labelled }

// label names a link, by its id.
func (l *link) label() string {
	if l.labelled == "" {
		name := "l" + decimal(l.id)
		l.labelled = l.kernel.names.claim(name, name)
	}
	return l.labelled
}
