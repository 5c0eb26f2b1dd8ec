package attr

import "github.com/nkconform/nkconform/mprog"

// Arrays are the user-space addresses in a BPF_PROG_QUERY; 0 is a null pointer.
type Arrays struct {
	ProgIDs         uint64 // query.prog_ids
	ProgAttachFlags uint64 // query.prog_attach_flags
	LinkIDs         uint64 // query.link_ids
	LinkAttachFlags uint64 // query.link_attach_flags
}

// EncodeQuery encodes BPF_PROG_QUERY. The request's slices are not looked at:
// their addresses come from a, and the caller keeps the memory where it is.
func EncodeQuery(b *Buffer, r mprog.QueryRequest, a Arrays) (size uint32) {
	return encode(b, progQuery, r.Shape,
		uint64(r.TargetIfindex), uint64(r.AttachType), uint64(r.QueryFlags),
		uint64(r.AttachFlags), a.ProgIDs, uint64(r.Count), a.ProgAttachFlags,
		a.LinkIDs, a.LinkAttachFlags, 0)
}

// DecodeQuery decodes BPF_PROG_QUERY. The request's slices are nil: whoever can
// reach the memory behind the addresses makes them. What stands in the field
// revision is dropped, as no kernel reads it.
func DecodeQuery(p []byte) (mprog.QueryRequest, Arrays) {
	var v [10]uint64
	shape := decode(p, progQuery, v[:])
	return mprog.QueryRequest{
			Shape:         shape,
			TargetIfindex: uint32(v[0]), AttachType: mprog.AttachType(v[1]),
			QueryFlags: uint32(v[2]), AttachFlags: uint32(v[3]), Count: uint32(v[5]),
		}, Arrays{
			ProgIDs: v[4], ProgAttachFlags: v[6], LinkIDs: v[7], LinkAttachFlags: v[8],
		}
}

// The fields that BPF_PROG_QUERY writes.
var (
	queryAttachFlags = progQuery[3]
	queryCount       = progQuery[5]
	queryRevision    = progQuery[9]
)

// EncodeQueryResult writes the result over the attr of a query, as the kernel
// does: p must have 64 bytes, whatever size bpf(2) was told.
func EncodeQueryResult(p []byte, r mprog.QueryResult) {
	put(p, queryAttachFlags, uint64(r.AttachFlags))
	put(p, queryCount, uint64(r.Count))
	put(p, queryRevision, r.Revision)
}

// DecodeQueryResult reads the result from the attr of an answered query: p must
// have 64 bytes.
func DecodeQueryResult(p []byte) mprog.QueryResult {
	return mprog.QueryResult{
		AttachFlags: uint32(get(p, queryAttachFlags)),
		Count:       uint32(get(p, queryCount)),
		Revision:    get(p, queryRevision),
	}
}
