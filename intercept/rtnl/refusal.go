package rtnl

import "github.com/nkconform/nkconform/mprog"

// refusal is why a request about a link is refused, with what the kernel tells of it
// besides the errno (struct netlink_ext_ack).
type refusal struct {
	why    mprog.Error
	offset uint32 // of the attribute that is to blame, in the request; 0: none is told
	limits []byte // what the attribute may be (NLMSGERR_ATTR_POLICY), if that is told
}

// Error and Unwrap are what others know of the refusal.
func (r *refusal) Error() string { return r.why.Error() }

// Unwrap returns it as an error of the model's.
func (r *refusal) Unwrap() error { return &r.why }

// refused is a refusal that blames no attribute. The words may be empty.
func refused(errno mprog.Errno, words string) *refusal {
	return &refusal{why: mprog.Error{Errno: errno, Detail: words, Extack: words}}
}

// blame is a refusal for the sake of an attribute, by its value, which is a part of
// the request's own bytes.
func (r *linkRequest) blame(value []byte, errno mprog.Errno, words string) *refusal {
	why := refused(errno, words)
	why.offset = uint32(cap(r.message.raw) - cap(value) - attributeHeader)
	return why
}

const attributeHeader = 4 // sizeof(struct nlattr)

// outOfRange is blame for a number that the policy of netlink does not let through,
// or for one that is too short.
func (r *linkRequest) outOfRange(value []byte, n number, words string) *refusal {
	const rangeOf, from, to, kind = 4, 4, 5, 1 // NLMSGERR_ATTR_POLICY, NL_POLICY_TYPE_ATTR_*
	why := r.blame(value, mprog.ERANGE, words)
	limits := appendAttribute(nil, from, native.AppendUint64(nil, 0))
	limits = appendAttribute(limits, to, native.AppendUint64(nil, n.most))
	why.limits = appendAttribute(nil, rangeOf, appendU32(limits, kind, n.kind))
	return why
}

// number is what the policy of netlink says of an attribute that is one.
type number struct {
	kind uint32 // NL_ATTR_TYPE_*
	size int    // bytes
	most uint64 // the greatest that is let through
}

const (
	shortAttribute = "Attribute failed policy validation"
	greatAttribute = "integer out of range"
)

var u32Number, u16Number = number{kind: 4, size: 4, most: 1<<32 - 1}, number{kind: 3, size: 2, most: 1<<16 - 1}

// upTo is a number with a greatest value.
func upTo(n uint64) number { return number{kind: 4, size: 4, most: n} }

// check is the policy's judgement of an attribute.
func (n number) check(r *linkRequest, value []byte) *refusal {
	switch {
	case len(value) < n.size:
		return r.outOfRange(value, n, shortAttribute)
	case n.size == 4 && uint64(native.Uint32(value)) > n.most:
		return r.outOfRange(value, n, greatAttribute)
	}
	return nil
}

// told is what an answer has behind it of a refusal (NLMSGERR_ATTR_MSG, _OFFS).
func (r *refusal) told() (p []byte) {
	const words, offset = 1, 2
	if r.why.Extack != "" {
		p = appendText(p, words, r.why.Extack)
	}
	if r.offset != 0 {
		p = appendU32(p, offset, r.offset)
	}
	return append(p, r.limits...)
}
