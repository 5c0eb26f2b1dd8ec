package sim

import "bytes"

// BTFName is the name of a type, by its id, in BTF of this machine's byte order; empty
// if there is none. See include/uapi/linux/btf.h.
func BTFName(data []byte, id uint32) (name string) {
	WalkBTF(data, func(at, _ uint32, text string) bool {
		if at == id {
			name = text
		}
		return at < id
	})
	return name
}

// WalkBTF goes through the types of BTF: id, kind and name of each, until a function
// returns false.
func WalkBTF(data []byte, each func(id, kind uint32, name string) bool) {
	walkTypes(data, func(id uint32, t btfType) bool { return each(id, t.kind, t.name) })
}

func walkTypes(data []byte, each func(id uint32, t btfType) bool) {
	const header, typeSize = 24, 12
	if len(data) < header || native.Uint16(data) != 0xeb9f {
		return
	}
	head := native.Uint32(data[4:])
	section := func(off, size uint32) []byte {
		from, to := uint64(head)+uint64(off), uint64(head)+uint64(off)+uint64(size)
		if to > uint64(len(data)) {
			return nil
		}
		return data[from:to]
	}
	types := section(native.Uint32(data[8:]), native.Uint32(data[12:]))
	texts := section(native.Uint32(data[16:]), native.Uint32(data[20:]))
	for id := uint32(1); len(types) >= typeSize; id++ {
		info := native.Uint32(types[4:])
		t := btfType{kind: info >> 24 & 0x1f, count: info & 0xffff, size: native.Uint32(types[8:])}
		if off := native.Uint32(types); off != 0 && off < uint32(len(texts)) {
			text, _, _ := bytes.Cut(texts[off:], []byte{0})
			t.name = string(text)
		}
		size := typeSize + btfExtra(t.kind, t.count)
		if size > uint32(len(types)) {
			return
		}
		t.rest, types = types[typeSize:size], types[size:]
		if !each(id, t) {
			return
		}
	}
}

// btfExtra is how much follows a type of a kind.
func btfExtra(kind, count uint32) uint32 {
	switch kind {
	case btfInt, btfVariable, 17: // BTF_KIND_DECL_TAG
		return 4
	case btfArray:
		return 12
	case btfStruct, btfUnion, btfSection, btfEnum64:
		return 12 * count
	case btfEnum, 13: // BTF_KIND_FUNC_PROTO
		return 8 * count
	}
	return 0
}
