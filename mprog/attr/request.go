package attr

import "github.com/nkconform/nkconform/mprog"

// Every Encode function writes the request into b and returns the size in bytes
// to tell bpf(2), which may be larger than b. Every Decode function takes the
// attr as the kernel gets it, with its size as length, never fails, and is the
// inverse: the request's Shape records a size that is not the command's own, and
// the last nonzero byte outside of the fields as Junk (its value is lost). An
// empty attr decodes to the zero request, which has the same meaning.

// EncodeAttach encodes BPF_PROG_ATTACH.
func EncodeAttach(b *Buffer, r mprog.AttachRequest) (size uint32) {
	return encode(b, progAttach, r.Shape,
		uint64(r.TargetIfindex), uint64(r.AttachFD), uint64(r.AttachType), uint64(r.Flags),
		uint64(r.ReplaceFD), uint64(r.Relative), r.ExpectedRevision)
}

// DecodeAttach decodes BPF_PROG_ATTACH.
func DecodeAttach(p []byte) mprog.AttachRequest {
	var v [7]uint64
	shape := decode(p, progAttach, v[:])
	return mprog.AttachRequest{
		Shape:         shape,
		TargetIfindex: uint32(v[0]), AttachFD: uint32(v[1]),
		AttachType: mprog.AttachType(v[2]), Flags: mprog.Flags(v[3]),
		ReplaceFD: uint32(v[4]), Relative: uint32(v[5]), ExpectedRevision: v[6],
	}
}

// EncodeDetach encodes BPF_PROG_DETACH.
func EncodeDetach(b *Buffer, r mprog.DetachRequest) (size uint32) {
	return EncodeAttach(b, mprog.AttachRequest(r))
}

// DecodeDetach decodes BPF_PROG_DETACH.
func DecodeDetach(p []byte) mprog.DetachRequest { return mprog.DetachRequest(DecodeAttach(p)) }

// EncodeLinkCreate encodes BPF_LINK_CREATE.
func EncodeLinkCreate(b *Buffer, r mprog.LinkCreateRequest) (size uint32) {
	return encode(b, linkCreate, r.Shape,
		uint64(r.ProgFD), uint64(r.TargetIfindex), uint64(r.AttachType), uint64(r.Flags),
		uint64(r.Relative), r.ExpectedRevision)
}

// DecodeLinkCreate decodes BPF_LINK_CREATE.
func DecodeLinkCreate(p []byte) mprog.LinkCreateRequest {
	var v [6]uint64
	shape := decode(p, linkCreate, v[:])
	return mprog.LinkCreateRequest{
		Shape:  shape,
		ProgFD: uint32(v[0]), TargetIfindex: uint32(v[1]),
		AttachType: mprog.AttachType(v[2]), Flags: mprog.Flags(v[3]),
		Relative: uint32(v[4]), ExpectedRevision: v[5],
	}
}

// EncodeLinkUpdate encodes BPF_LINK_UPDATE.
func EncodeLinkUpdate(b *Buffer, r mprog.LinkUpdateRequest) (size uint32) {
	return encode(b, linkUpdate, r.Shape,
		uint64(r.LinkFD), uint64(r.NewProgFD), uint64(r.Flags), uint64(r.OldProgFD))
}

// DecodeLinkUpdate decodes BPF_LINK_UPDATE.
func DecodeLinkUpdate(p []byte) mprog.LinkUpdateRequest {
	var v [4]uint64
	shape := decode(p, linkUpdate, v[:])
	return mprog.LinkUpdateRequest{
		Shape:  shape,
		LinkFD: uint32(v[0]), NewProgFD: uint32(v[1]),
		Flags: mprog.Flags(v[2]), OldProgFD: uint32(v[3]),
	}
}

// EncodeLinkDetach encodes BPF_LINK_DETACH.
func EncodeLinkDetach(b *Buffer, r mprog.LinkDetachRequest) (size uint32) {
	return encode(b, linkDetach, r.Shape, uint64(r.LinkFD))
}

// DecodeLinkDetach decodes BPF_LINK_DETACH.
func DecodeLinkDetach(p []byte) mprog.LinkDetachRequest {
	var v [1]uint64
	shape := decode(p, linkDetach, v[:])
	return mprog.LinkDetachRequest{Shape: shape, LinkFD: uint32(v[0])}
}
