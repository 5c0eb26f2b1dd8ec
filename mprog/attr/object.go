package attr

import "github.com/nkconform/nkconform/mprog"

// EncodeFDByID encodes BPF_PROG_GET_FD_BY_ID and BPF_LINK_GET_FD_BY_ID.
func EncodeFDByID(b *Buffer, r mprog.IDRequest) (size uint32) {
	return encode(b, progFDByID, r.Shape, uint64(r.ID), uint64(r.OpenFlags))
}

// DecodeFDByID decodes BPF_PROG_GET_FD_BY_ID and BPF_LINK_GET_FD_BY_ID.
func DecodeFDByID(p []byte) mprog.IDRequest {
	var v [2]uint64
	shape := decode(p, progFDByID, v[:])
	return mprog.IDRequest{Shape: shape, ID: uint32(v[0]), OpenFlags: uint32(v[1])}
}

// EncodeNextID encodes BPF_PROG_GET_NEXT_ID and BPF_LINK_GET_NEXT_ID.
func EncodeNextID(b *Buffer, r mprog.IDRequest) (size uint32) {
	return encode(b, nextID, r.Shape, uint64(r.ID), 0, uint64(r.OpenFlags))
}

// DecodeNextID decodes BPF_PROG_GET_NEXT_ID and BPF_LINK_GET_NEXT_ID. What stands
// in the field next_id is dropped, as no kernel reads it.
func DecodeNextID(p []byte) mprog.IDRequest {
	var v [3]uint64
	shape := decode(p, nextID, v[:])
	return mprog.IDRequest{Shape: shape, ID: uint32(v[0]), OpenFlags: uint32(v[2])}
}

var nextIDResult = nextID[1]

// EncodeNextIDResult writes the next id over the attr of the request, as the
// kernel does: p must have 8 bytes, whatever size bpf(2) was told.
func EncodeNextIDResult(p []byte, id uint32) { put(p, nextIDResult, uint64(id)) }

// DecodeNextIDResult reads the next id from the attr of an answered request: p
// must have 8 bytes.
func DecodeNextIDResult(p []byte) uint32 { return uint32(get(p, nextIDResult)) }

// EncodePin encodes BPF_OBJ_PIN. The path itself is not looked at: its address,
// of a string that ends with a zero byte, is pathname.
func EncodePin(b *Buffer, r mprog.PinRequest, pathname uint64) (size uint32) {
	return encode(b, objPin, r.Shape, pathname, uint64(r.FD), uint64(r.Flags))
}

// DecodePin decodes BPF_OBJ_PIN. The request's path is empty: whoever can reach
// the memory behind pathname fills it in.
func DecodePin(p []byte) (r mprog.PinRequest, pathname uint64) {
	var v [3]uint64
	shape := decode(p, objPin, v[:])
	return mprog.PinRequest{Shape: shape, FD: uint32(v[1]), Flags: uint32(v[2])}, v[0]
}

// EncodeGet encodes BPF_OBJ_GET; see [EncodePin].
func EncodeGet(b *Buffer, r mprog.GetRequest, pathname uint64) (size uint32) {
	return encode(b, objGet, r.Shape, pathname, uint64(r.Flags))
}

// DecodeGet decodes BPF_OBJ_GET; see [DecodePin].
func DecodeGet(p []byte) (r mprog.GetRequest, pathname uint64) {
	var v [2]uint64
	shape := decode(p, objGet, v[:])
	return mprog.GetRequest{Shape: shape, Flags: uint32(v[1])}, v[0]
}

// EncodeCommand encodes the zeros of any command, none unless the shape says
// how many.
func EncodeCommand(b *Buffer, r mprog.CommandRequest) (size uint32) {
	return encode(b, nil, r.Shape)
}

// DecodeCommand is the inverse of [EncodeCommand]: of the attr, only the size
// and one byte are kept.
func DecodeCommand(cmd Command, p []byte) mprog.CommandRequest {
	return mprog.CommandRequest{Shape: decode(p, nil, nil), Command: uint32(cmd)}
}
