package fake

import (
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

const (
	pageSize = 4096
	attrEnd  = 168 // sizeof(union bpf_attr), Linux 6.18
)

// lastField holds where each command's last field ends
// (BPF_PROG_ATTACH_LAST_FIELD and so on), which may be behind the fields that
// mprog hooks use.
var lastField = map[attr.Command]uint32{
	attr.ProgAttach: 32, // expected_revision
	attr.ProgDetach: 32, // expected_revision
	attr.ProgQuery:  64, // query.revision
	attr.LinkCreate: 60, // link_create.uprobe_multi.pid
	attr.LinkUpdate: 16, // link_update.old_prog_fd
	attr.LinkDetach: 4,  // link_detach.link_fd
}

// readSize checks the size of a bpf_attr and what this kernel does not know of
// it, before the command is looked at (bpf_check_uarg_tail_zero, called by
// __sys_bpf).
func readSize(b *attr.Buffer, size uint32) error {
	if size > pageSize {
		return refuse(attrSize, "size %d is more than a page of %d bytes", size, pageSize)
	}
	if i := nonzero(b, attrEnd, size); i < size {
		return refuse(attrUnknown, "byte %d is nonzero, this kernel's bpf_attr ends at %d", i, attrEnd)
	}
	return nil
}

// readTail checks what the command does not use (CHECK_ATTR).
func readTail(cmd attr.Command, b *attr.Buffer, size uint32) error {
	if i := nonzero(b, lastField[cmd], min(size, attrEnd)); i < min(size, attrEnd) {
		return refuse(attrTail, "byte %d is nonzero, the command's last field ends at %d", i, lastField[cmd])
	}
	return nil
}

// nonzero returns the offset of the first nonzero byte from from on, to or more
// when there is none in front of to.
func nonzero(b *attr.Buffer, from, to uint32) uint32 {
	for from < to && b[from] == 0 {
		from++
	}
	return from
}

// reshape replaces a request whose Shape is not zero by what the kernel gets to
// see of it, or refuses its bytes.
func reshape[R any](cmd attr.Command, r *R, encode func(*attr.Buffer, R) uint32, decode func([]byte) R) error {
	b := new(attr.Buffer)
	size := encode(b, *r)
	if err := readSize(b, size); err != nil {
		return err
	}
	if err := readTail(cmd, b, size); err != nil {
		return err
	}
	*r = decode(b[:size])
	return nil
}

// Addresses for the arrays of a query. No part of one is zero, so that an
// address handed over in part is no null pointer.
const (
	progIDsAddress = 0x7f01_0203_0405_0608
	linkIDsAddress = 0x7f11_1213_1415_1618
)

// unwritable is an array that is there and has no room: writing to it is EFAULT.
var unwritable = []uint32{}

// reshapeQuery is reshape for BPF_PROG_QUERY. The arrays are found again by
// their addresses; an address that is not whole, or is that of an array which an
// [mprog.QueryRequest] does not have, points nowhere. Between the two checks of
// bytes the kernel looks at capabilities, so that what the second says is a
// result of its own.
func reshapeQuery(r *mprog.QueryRequest) (tail, err error) {
	b := new(attr.Buffer)
	var sent attr.Arrays
	if r.ProgIDs != nil {
		sent.ProgIDs = progIDsAddress
	}
	if r.LinkIDs != nil {
		sent.LinkIDs = linkIDsAddress
	}
	size := attr.EncodeQuery(b, *r, sent)
	if err := readSize(b, size); err != nil {
		return nil, err
	}
	seen, got := attr.DecodeQuery(b[:size])
	seen.ProgIDs = arrayAt(got.ProgIDs, progIDsAddress, r.ProgIDs)
	seen.LinkIDs = arrayAt(got.LinkIDs, linkIDsAddress, r.LinkIDs)
	if got.ProgAttachFlags|got.LinkAttachFlags != 0 {
		seen.LinkIDs = unwritable
	}
	*r = seen
	return readTail(attr.ProgQuery, b, size), nil
}

// arrayAt returns the array that an address points to.
func arrayAt(address, whole uint64, array []uint32) []uint32 {
	switch address {
	case 0:
		return nil
	case whole:
		return array
	}
	return unwritable
}
