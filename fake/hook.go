package fake

import (
	"fmt"

	"github.com/nkconform/nkconform/mprog"
)

// hook is an ordered list of programs with a revision: struct bpf_mprog_bundle
// (include/linux/bpf_mprog.h). The kernel keeps two copies of the list, for the
// sake of readers that take no lock; nothing of that can be observed.
type hook struct {
	revision uint64
	count    int
	entries  [mprog.MaxPrograms + 1]entry // BPF_MPROG_MAX; the last stays empty
}

// entry is a program and the link that attached it, if one did; the kernel's
// struct bpf_tuple. An entry without a link holds a reference on its program.
type entry struct {
	prog *program
	link *link
}

// String names the entry in a refusal.
func (e entry) String() string {
	if e.link != nil {
		return fmt.Sprintf("link id %d", e.link.id)
	}
	return fmt.Sprintf("program id %d", e.prog.id)
}

// insert puts an entry at a position; what is there and behind it moves up
// (bpf_mprog_insert).
func (h *hook) insert(pos int, e entry) {
	copy(h.entries[pos+1:h.count+1], h.entries[pos:h.count])
	h.entries[pos] = e
	h.count++
}

// replace puts an entry in another's place (bpf_mprog_replace).
func (h *hook) replace(pos int, e entry) {
	h.entries[pos].release()
	h.entries[pos] = e
}

// remove takes an entry out; what is behind it moves down (bpf_mprog_delete).
func (h *hook) remove(pos int) {
	h.entries[pos].release()
	copy(h.entries[pos:], h.entries[pos+1:h.count])
	h.count--
	h.entries[h.count] = entry{}
}

// abandon lets go of everything because the device goes, and this list with it:
// links become defunct (netkit_release_all, dev_tcx_uninstall).
func (h *hook) abandon() {
	for _, e := range h.entries[:h.count] {
		if e.link != nil {
			e.link.dev = nil
		}
		e.release()
	}
}

// release lets go of the program, unless a link holds it
// (bpf_mprog_complete_release).
func (e entry) release() {
	if e.link == nil {
		e.prog.put()
	}
}
