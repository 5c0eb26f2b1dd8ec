package layout

// Member is a field of a structure, in its order.
type Member struct {
	Name     string
	Offset   uint32 // bytes
	Size     uint32
	Function bool   // it is a pointer to a function
	Type     uint32 // id
}

// Members returns a structure's name and its fields, false if the id is of none.
func (t *Types) Members(id uint32) (name string, size uint32, list []Member, ok bool) {
	at, ok := t.at(id)
	if !ok || t.kind(at) != kindStruct {
		return "", 0, nil, false
	}
	for i := range t.vlen(at) {
		m := at + typeSize + memberSize*i
		field := t.word(m, 1)
		list = append(list, Member{t.text(t.word(m, 0)), t.word(m, 2) & (1<<24 - 1) / 8, t.size(field, deepest), t.toFunction(field), field})
	}
	return t.nameAt(at), t.word(at, 2), list, true
}

// toFunction reports whether a type is a pointer to a function.
func (t *Types) toFunction(id uint32) bool {
	at, ok := t.resolved(id)
	if !ok || t.kind(at) != kindPointer {
		return false
	}
	at, ok = t.resolved(t.word(at, 2))
	return ok && t.kind(at) == kindPrototype
}
