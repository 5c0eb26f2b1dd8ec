package sim

// special are the fields of a map's values that only the kernel and programs use, as its
// BTF has them: locks, timers and work (struct btf_record). To user space they read zero,
// and what it writes there goes nowhere.
type special struct {
	lock   bool // struct bpf_spin_lock is among them
	locks  bool // or another lock
	others bool // what is no lock is among them
	fields []span
}

// span is where a field is.
type span struct{ offset, size uint32 }

// copy puts a value over another one, without special fields.
func (s *special) copy(to, from []byte) {
	if len(s.fields) == 0 {
		copy(to, from)
		return
	}
	at := uint32(0)
	for _, f := range s.fields {
		copy(to[at:f.offset], from[at:])
		at = f.offset + f.size
	}
	copy(to[at:], from[at:])
}

// clear zeroes the special fields.
func (s *special) clear(value []byte) {
	for _, f := range s.fields {
		clear(value[f.offset:][:f.size])
	}
}
