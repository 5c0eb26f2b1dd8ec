package lockstep

import (
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// Entry is a program in a hook's list and the link that owns it, by their
// slots; -1 for no link.
type Entry struct{ Prog, Link int16 }

// unknown is the slot of an object or device that no step has made.
const unknown = -2

// Answer is what an environment answers to a step. Objects and devices are
// slots, so that answers of two environments can be compared.
type Answer struct {
	Errno       mprog.Errno
	Revision    uint64
	Count       uint32
	AttachFlags uint32
	Entries     []Entry // of a query; for Send, what ran
	Info        Described
	Filters     []Filter // of a hook's state
	Next        int16
	Delivered   bool

	// What a query has written there, as a trace says it; "" without the array.
	ProgAttachFlags, LinkAttachFlags string

	Panic string // what the environment broke down with; "" as it should
}

// Described is [mprog.ObjectInfo] with slots.
type Described struct {
	Kind               mprog.ObjectKind
	Type               uint32
	Object, Prog, Link int16
	Device             int16
	AttachType         mprog.AttachType
}

func (a *Answer) equal(b *Answer) bool {
	return a.Errno == b.Errno && a.Revision == b.Revision && a.Count == b.Count &&
		a.AttachFlags == b.AttachFlags && a.ProgAttachFlags == b.ProgAttachFlags &&
		a.LinkAttachFlags == b.LinkAttachFlags && a.Info == b.Info && a.Next == b.Next &&
		a.Delivered == b.Delivered && slices.Equal(a.Entries, b.Entries) && slices.Equal(a.Filters, b.Filters)
}

// reset empties the answer and keeps the memory of its lists.
func (a *Answer) reset() { *a = Answer{Entries: a.Entries[:0], Filters: a.Filters[:0]} }
