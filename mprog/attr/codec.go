package attr

import (
	"encoding/binary"

	"github.com/nkconform/nkconform/mprog"
)

// MaxSize is the largest size in bytes at which any kernel still looks at the
// attr: the largest page. From the caller's page size on bpf(2) fails with
// E2BIG without reading.
const MaxSize = 1 << 16

// Buffer holds one encoded attr. It is larger than any kernel's bpf_attr, so
// that the kernel may read or write behind a short attr without harm. Only the
// bytes that a request needs are touched: reuse it.
type Buffer [MaxSize]byte

// resultSize is how many bytes an encoder clears at the least: the kernel
// writes results at their offsets whatever size it was told.
const resultSize = 64

var native = binary.NativeEndian

// encode lays values out as fields say, applies the shape, and returns the size
// to tell bpf(2). There is one value a field.
func encode(b *Buffer, fields []Field, shape mprog.Shape, values ...uint64) uint32 {
	size := shape.Size
	if size == 0 {
		size = end(fields)
	}
	clear(b[:max(min(size, MaxSize), resultSize)])
	for i, f := range fields {
		put(b[:], f, values[i])
	}
	if shape.Junk != 0 && shape.Junk < min(size, MaxSize) {
		b[shape.Junk] = 0xff
	}
	return size
}

// decode reads the fields of an attr of len(p) bytes, where what is missing is
// zero, and returns the shape that makes encode give these bytes again.
func decode(p []byte, fields []Field, values []uint64) mprog.Shape {
	var b [resultSize]byte
	copy(b[:], p)
	for i, f := range fields {
		values[i] = get(b[:], f)
	}
	var shape mprog.Shape
	if n := uint32(len(p)); n != end(fields) {
		shape.Size = n
	}
	shape.Junk = lastJunk(p, fields)
	return shape
}

// lastJunk returns the offset of the last nonzero byte that is in no field, 0
// for none. The last one decides: the kernel refuses what lies behind a limit.
func lastJunk(p []byte, fields []Field) uint32 {
	for i := len(p) - 1; i > 0; i-- {
		if p[i] != 0 && !inField(uint32(i), fields) {
			return uint32(i)
		}
	}
	return 0
}

func inField(offset uint32, fields []Field) bool {
	for _, f := range fields {
		if f.Offset <= offset && offset < f.Offset+f.Size {
			return true
		}
	}
	return false
}

func put(b []byte, f Field, v uint64) {
	if f.Size == 8 {
		native.PutUint64(b[f.Offset:], v)
	} else {
		native.PutUint32(b[f.Offset:], uint32(v))
	}
}

func get(b []byte, f Field) uint64 {
	if f.Size == 8 {
		return native.Uint64(b[f.Offset:])
	}
	return uint64(native.Uint32(b[f.Offset:]))
}
