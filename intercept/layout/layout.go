// Package layout reads the running kernel's types (BTF): where structures have their
// fields, and which functions there are. Programs that are relocated for that kernel
// (CO-RE) name both by its numbers.
package layout

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
)

var native = binary.NativeEndian

// File is where the running kernel has its types.
const File = "/sys/kernel/btf/vmlinux"

// Types are those of a kernel. They are safe for concurrent use.
type Types struct {
	types   []byte
	names   []byte
	offsets []uint32 // of types, by id

	mu         sync.Mutex
	structures map[string]map[string]Field
}

// Field is a field of a structure.
type Field struct{ Offset, Size uint32 } // bytes

// Running returns the types of the running kernel, read once.
var Running = sync.OnceValues(func() (*Types, error) {
	data, err := os.ReadFile(File)
	if err != nil {
		return nil, fmt.Errorf("types of the running kernel: %w", err)
	}
	return Parse(data)
})

// Kinds of types (include/uapi/linux/btf.h).
const (
	kindInt       = 1
	kindPointer   = 2
	kindArray     = 3
	kindStruct    = 4
	kindUnion     = 5
	kindEnum      = 6
	kindTypedef   = 8
	kindVolatile  = 9
	kindConst     = 10
	kindRestrict  = 11
	kindFunc      = 12
	kindPrototype = 13
	kindVariable  = 14
	kindSection   = 15
	kindFloat     = 16
	kindTag       = 17 // of a declaration
	kindTypeTag   = 18
	kindEnum64    = 19

	headerSize  = 24 // sizeof(struct btf_header)
	typeSize    = 12 // sizeof(struct btf_type)
	memberSize  = 12 // sizeof(struct btf_member)
	pointerSize = 8
	magic       = 0xeb9f
)

var errTypes = errors.New("no types of this machine (BTF)")

// Parse reads BTF.
func Parse(data []byte) (*Types, error) {
	if len(data) < headerSize || native.Uint16(data) != magic {
		return nil, errTypes
	}
	field := func(i int) uint64 { return uint64(native.Uint32(data[i:])) }
	body := field(4)
	section := func(i int) []byte {
		from, to := body+field(i), body+field(i)+field(i+4)
		if to > uint64(len(data)) {
			return nil
		}
		return data[from:to]
	}
	t := &Types{types: section(8), names: section(16), offsets: []uint32{0}, structures: map[string]map[string]Field{}}
	for at := uint32(0); uint64(at)+typeSize <= uint64(len(t.types)); {
		t.offsets = append(t.offsets, at)
		n := t.vlen(at)
		at += typeSize
		switch t.kind(at - typeSize) {
		case kindInt, kindVariable, kindTag:
			at += 4
		case kindArray, kindStruct, kindUnion, kindSection, kindEnum64:
			if k := t.kind(at - typeSize); k == kindArray {
				n = 1
			}
			at += 12 * n
		case kindEnum, kindPrototype:
			at += 8 * n
		case kindPointer, kindTypedef, kindVolatile, kindConst, kindRestrict, kindFunc, kindFloat, kindTypeTag, 7:
		default:
			return nil, fmt.Errorf("type %d: %w", len(t.offsets)-1, errTypes)
		}
	}
	return t, nil
}

func (t *Types) word(at uint32, i uint32) uint32 {
	if uint64(at+4*i)+4 > uint64(len(t.types)) {
		return 0
	}
	return native.Uint32(t.types[at+4*i:])
}

func (t *Types) kind(at uint32) uint32   { return t.word(at, 1) >> 24 & 0x1f }
func (t *Types) vlen(at uint32) uint32   { return t.word(at, 1) & 0xffff }
func (t *Types) flagged(at uint32) bool  { return t.word(at, 1)>>31 != 0 }
func (t *Types) nameAt(at uint32) string { return t.text(t.word(at, 0)) }

func (t *Types) text(at uint32) string {
	if at >= uint32(len(t.names)) {
		return ""
	}
	s, _, _ := bytes.Cut(t.names[at:], []byte{0})
	return string(s)
}

// at returns where the type with an id is, false if there is none.
func (t *Types) at(id uint32) (uint32, bool) {
	if id == 0 || id >= uint32(len(t.offsets)) {
		return 0, false
	}
	return t.offsets[id], true
}

// Function returns the name of the function with an id, "" if it is none.
func (t *Types) Function(id uint32) string {
	at, ok := t.at(id)
	if !ok || t.kind(at) != kindFunc {
		return ""
	}
	return t.nameAt(at)
}

// FunctionID returns the id of a function, 0 if there is none.
func (t *Types) FunctionID(name string) uint32 { return t.find(name, kindFunc) }

// StructureID returns the id of a structure, 0 if there is none.
func (t *Types) StructureID(name string) uint32 { return t.find(name, kindStruct) }

func (t *Types) find(name string, kind uint32) uint32 {
	for id, at := range t.offsets[1:] {
		if t.kind(at) == kind && t.nameAt(at) == name {
			return uint32(id + 1)
		}
	}
	return 0
}

// StructureName returns the name of the structure with an id, "" if it is none.
func (t *Types) StructureName(id uint32) string {
	at, ok := t.at(id)
	if !ok || t.kind(at) != kindStruct {
		return ""
	}
	return t.nameAt(at)
}

// Structure returns the fields of a structure, by their names: those of nameless parts
// as its own, those of others with the part's name and a dot in front, too. Fields of
// bits are left out. Nil: there is no such structure.
func (t *Types) Structure(name string) map[string]Field {
	t.mu.Lock()
	defer t.mu.Unlock()
	fields, known := t.structures[name]
	if known {
		return fields
	}
	if at, ok := t.at(t.StructureID(name)); ok {
		fields = map[string]Field{}
		t.members(at, 0, "", fields, deepest)
	}
	t.structures[name] = fields
	return fields
}

// deepest limits how far structures within structures are looked at.
const deepest = 8

func (t *Types) members(at, base uint32, prefix string, fields map[string]Field, depth int) {
	const bits = 1<<24 - 1 // of an offset, where the type says that there are fields of bits
	for i := range t.vlen(at) {
		m := at + typeSize + memberSize*i
		name, id, offset := t.text(t.word(m, 0)), t.word(m, 1), t.word(m, 2)
		if t.flagged(at) {
			if offset>>24 != 0 {
				continue
			}
			offset &= bits
		}
		offset = base + offset/8
		if name != "" {
			fields[prefix+name] = Field{offset, t.size(id, deepest)}
		}
		inner, ok := t.resolved(id)
		if k := t.kind(inner); !ok || depth == 0 || k != kindStruct && k != kindUnion {
			continue
		}
		if name != "" {
			name += "."
		}
		t.members(inner, offset, prefix+name, fields, depth-1)
	}
}

// resolved follows type definitions.
func (t *Types) resolved(id uint32) (at uint32, ok bool) {
	for range 32 {
		if at, ok = t.at(id); !ok {
			return 0, false
		}
		switch t.kind(at) {
		case kindTypedef, kindVolatile, kindConst, kindRestrict, kindTypeTag:
			id = t.word(at, 2)
		default:
			return at, true
		}
	}
	return 0, false
}

// size is how many bytes a type has.
func (t *Types) size(id uint32, depth int) uint32 {
	at, ok := t.resolved(id)
	if !ok || depth == 0 {
		return 0
	}
	switch t.kind(at) {
	case kindInt, kindStruct, kindUnion, kindEnum, kindEnum64, kindFloat:
		return t.word(at, 2)
	case kindPointer:
		return pointerSize
	case kindArray:
		return t.word(at, 5) * t.size(t.word(at, 3), depth-1)
	}
	return 0
}
