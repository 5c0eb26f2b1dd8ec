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
		kind, count := info>>24&0x1f, info&0xffff
		name := ""
		if off := native.Uint32(types); off != 0 && off < uint32(len(texts)) {
			text, _, _ := bytes.Cut(texts[off:], []byte{0})
			name = string(text)
		}
		if !each(id, kind, name) {
			return
		}
		size := typeSize + btfExtra(kind, count)
		if size > uint32(len(types)) {
			return
		}
		types = types[size:]
	}
}

// btfExtra is how much follows a type of a kind.
func btfExtra(kind, count uint32) uint32 {
	switch kind {
	case 1, 14, 17: // BTF_KIND_INT, VAR, DECL_TAG
		return 4
	case 3: // ARRAY
		return 12
	case 4, 5, 15, 19: // STRUCT, UNION, DATASEC, ENUM64
		return 12 * count
	case 6, 13: // ENUM, FUNC_PROTO
		return 8 * count
	}
	return 0
}
