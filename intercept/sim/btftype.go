package sim

// btfType is a type of BTF, a struct btf_type and what follows it.
type btfType struct {
	kind  uint32
	count uint32 // of members and the like
	size  uint32 // or the type that it is made of
	name  string
	rest  []byte
}

// The kinds of BTF's types that have rules here (BTF_KIND_INT and so on).
const (
	btfInt      = 1
	btfPointer  = 2
	btfArray    = 3
	btfStruct   = 4
	btfUnion    = 5
	btfEnum     = 6
	btfTypedef  = 8
	btfVolatile = 9
	btfConst    = 10
	btfRestrict = 11
	btfFunction = 12
	btfVariable = 14
	btfSection  = 15
	btfFloat    = 16
	btfTypeTag  = 18
	btfEnum64   = 19
)

// typeOf is the type by an id, false if there is none. Type 0 is void.
func (b *btf) typeOf(id uint32) (t btfType, ok bool) {
	if b.types == nil {
		b.types = readTypes(b.bytes())
	}
	if id >= uint32(len(b.types)) {
		return t, false
	}
	return b.types[id], true
}

// readTypes reads all types of BTF.
func readTypes(data []byte) []btfType {
	list := []btfType{{}}
	walkTypes(data, func(_ uint32, t btfType) bool {
		list = append(list, t)
		return true
	})
	return list
}

// sized follows typedefs and the like to a type that has a size (btf_type_id_size).
func (b *btf) sized(id uint32) (t btfType, size uint32, ok bool) {
	for range maxBTFDepth {
		if t, ok = b.typeOf(id); !ok {
			return t, 0, false
		}
		switch t.kind {
		case btfInt, btfStruct, btfUnion, btfEnum, btfSection, btfFloat, btfEnum64:
			return t, t.size, true
		case btfPointer:
			return t, 8, true
		case btfArray:
			_, element, ok := b.sized(native.Uint32(t.rest))
			return t, element * native.Uint32(t.rest[8:]), ok
		case btfTypedef, btfVolatile, btfConst, btfRestrict, btfVariable, btfTypeTag:
			id = t.size
		default:
			return t, 0, false
		}
	}
	return t, 0, false
}

// maxBTFDepth is how many types may be made of each other (MAX_RESOLVE_DEPTH).
const maxBTFDepth = 32

// wholeInt reports whether a type is an integer of so many bytes, all of it
// (btf_type_is_i32, btf_type_is_i64).
func (t btfType) wholeInt(bytes uint32) bool {
	if t.kind != btfInt {
		return false
	}
	bits, offset := native.Uint32(t.rest)&0xff, native.Uint32(t.rest)>>16&0xff
	return bits == 8*bytes && offset == 0
}

// member is a member of a structure.
type member struct{ typ, offset uint32 } // the offset is in bits

func (t btfType) members() (list []member) {
	for rest := t.rest; len(rest) >= 12; rest = rest[12:] {
		list = append(list, member{native.Uint32(rest[4:]), native.Uint32(rest[8:]) & 0xffffff})
	}
	return list
}
