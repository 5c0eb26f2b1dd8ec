package fake

import (
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

const pageSize = 4096

// scratch is memory for one bpf_attr, until the call in hand ends.
func (k *Kernel) scratch() *attr.Buffer {
	if k.attr == nil {
		k.attr = new(attr.Buffer)
	}
	return k.attr
}

// readSize checks the size of a bpf_attr and what this kernel does not know of
// it, before the command is looked at (bpf_check_uarg_tail_zero, called by
// __sys_bpf).
func (k *Kernel) readSize(b *attr.Buffer, size uint32) error {
	if size > pageSize {
		return refuse(attrSize, "size %d is more than a page of %d bytes", size, pageSize)
	}
	if i := nonzero(b, k.release.attrSize, size); i < size {
		return refuse(attrUnknown, "byte %d is nonzero, this kernel's bpf_attr ends at %d", i, k.release.attrSize)
	}
	return nil
}

// readTail checks what the command does not use (CHECK_ATTR). What the kernel
// does not know is zero by then.
func (k *Kernel) readTail(cmd attr.Command, b *attr.Buffer, size uint32) error {
	end, _ := k.release.lastField(cmd)
	if i := nonzero(b, end, size); i < size {
		return refuse(attrTail, "byte %d is nonzero, the command's last field ends at %d", i, end)
	}
	return nil
}

// readAttr makes both checks.
func (k *Kernel) readAttr(cmd attr.Command, b *attr.Buffer, size uint32) error {
	if err := k.readSize(b, size); err != nil {
		return err
	}
	return k.readTail(cmd, b, size)
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
func reshape[R any](p *Process, cmd attr.Command, r *R, encode func(*attr.Buffer, R) uint32, decode func([]byte) R) error {
	k := p.kernel
	b := k.scratch()
	size := encode(b, *r)
	if err := k.readAttr(cmd, b, size); err != nil {
		return err
	}
	p.passed(attrTail, uint64(size), 0)
	*r = decode(b[:size])
	return nil
}

// Addresses for the arrays of a query and for paths. No part of one is zero, so
// that an address handed over in part is no null pointer.
const (
	pathAddress            = 0x7f21_2223_2425_2628
	progIDsAddress         = 0x7f01_0203_0405_0608
	progAttachFlagsAddress = 0x7f31_3233_3435_3638
	linkIDsAddress         = 0x7f11_1213_1415_1618
	linkAttachFlagsAddress = 0x7f41_4243_4445_4648
)

// unwritable is an array that is there and has no room: writing to it is EFAULT.
var unwritable = []uint32{}

// reshapeQuery is reshape for BPF_PROG_QUERY. The arrays are found again by
// their addresses; an address that is not whole points nowhere. Between the two
// checks of bytes the kernel looks at capabilities, so that what the second says
// is a result of its own.
func (k *Kernel) reshapeQuery(r *mprog.QueryRequest) (tail, err error) {
	b := k.scratch()
	sent := attr.Arrays{
		ProgIDs:         addressOf(r.ProgIDs, progIDsAddress),
		ProgAttachFlags: addressOf(r.ProgAttachFlags, progAttachFlagsAddress),
		LinkIDs:         addressOf(r.LinkIDs, linkIDsAddress),
		LinkAttachFlags: addressOf(r.LinkAttachFlags, linkAttachFlagsAddress),
	}
	size := attr.EncodeQuery(b, *r, sent)
	if err := k.readSize(b, size); err != nil {
		return nil, err
	}
	seen, got := attr.DecodeQuery(b[:size])
	seen.ProgIDs = arrayAt(got.ProgIDs, progIDsAddress, r.ProgIDs)
	seen.ProgAttachFlags = arrayAt(got.ProgAttachFlags, progAttachFlagsAddress, r.ProgAttachFlags)
	seen.LinkIDs = arrayAt(got.LinkIDs, linkIDsAddress, r.LinkIDs)
	seen.LinkAttachFlags = arrayAt(got.LinkAttachFlags, linkAttachFlagsAddress, r.LinkAttachFlags)
	*r = seen
	return k.readTail(attr.ProgQuery, b, size), nil
}

// addressOf returns where an array is said to be.
func addressOf(array []uint32, address uint64) uint64 {
	if array == nil {
		return 0
	}
	return address
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
