package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// ProgAttach is BPF_PROG_ATTACH. Errors are *[mprog.Error] with the kernel's
// errno, here and in the methods below.
func (p *Process) ProgAttach(r mprog.AttachRequest) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.call(mprog.OpProgAttach, attr.ProgAttach, attr.EncodeAttach(&p.attr, r))
}

// ProgDetach is BPF_PROG_DETACH. It waits for a grace period of RCU.
func (p *Process) ProgDetach(r mprog.DetachRequest) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.call(mprog.OpProgDetach, attr.ProgDetach, attr.EncodeDetach(&p.attr, r))
}

// ProgQuery is BPF_PROG_QUERY. A count for which a slice that is not nil has no
// room is refused with EFAULT in front of the kernel, which would write past the
// slice's end. The result is filled in on success, and when the kernel has failed
// with ENOSPC or EFAULT.
func (p *Process) ProgQuery(r mprog.QueryRequest) (mprog.QueryResult, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.query = r // to the heap, where the arrays stay put
	defer func() { p.query = mprog.QueryRequest{} }()
	arrays := attr.Arrays{
		ProgIDs: address(p.query.ProgIDs), ProgAttachFlags: address(p.query.ProgAttachFlags),
		LinkIDs: address(p.query.LinkIDs), LinkAttachFlags: address(p.query.LinkAttachFlags),
	}
	size := attr.EncodeQuery(&p.attr, r, arrays)
	count := r.Count
	if r.Shape != (mprog.Shape{}) {
		count = p.disarm(size, r.Junk, arrays)
	}
	most := uint32(mprog.MaxPrograms)
	if r.AttachType.Cgroup() { // effective programs may be any number
		most = math.MaxUint32
	}
	if err := checkCount(min(count, most), r.ProgIDs, r.ProgAttachFlags, r.LinkIDs, r.LinkAttachFlags); err != nil {
		return mprog.QueryResult{}, err
	}
	err := p.call(mprog.OpProgQuery, attr.ProgQuery, size)
	if errno, ok := mprog.ErrnoOf(err); !ok || errno != 0 && errno != mprog.ENOSPC && errno != mprog.EFAULT {
		return mprog.QueryResult{}, err
	}
	return attr.DecodeQueryResult(p.attr[:]), err
}

// nowhere is an address that no program has.
const nowhere = 1

// disarm looks at an encoded query that its shape may have damaged, and returns
// the count. An address with a byte of junk in it, or of which the size cuts off a
// part, is replaced, lest the kernel write wherever it points to. So is one that is
// the same by chance: what comes of it must not depend on where memory lies.
func (p *Process) disarm(size, junk uint32, arrays attr.Arrays) (count uint32) {
	for _, f := range attr.ProgQuery.Fields() {
		address, ok := map[string]uint64{
			"query.prog_ids": arrays.ProgIDs, "query.prog_attach_flags": arrays.ProgAttachFlags,
			"query.link_ids": arrays.LinkIDs, "query.link_attach_flags": arrays.LinkAttachFlags,
		}[f.Name]
		end := f.Offset + f.Size
		hit := f.Offset <= junk && junk < min(end, size)
		cut := f.Offset < size && size < end && address != 0
		if ok && (hit || cut) {
			binary.NativeEndian.PutUint64(p.attr[f.Offset:], nowhere)
		}
	}
	r, _ := attr.DecodeQuery(p.attr[:min(size, attr.MaxSize)])
	return r.Count
}

func checkCount(count uint32, slices ...[]uint32) error {
	for _, array := range slices {
		if array != nil && int64(count) > int64(len(array)) {
			return &mprog.Error{
				Op: mprog.OpProgQuery, Errno: mprog.EFAULT,
				Detail: fmt.Sprintf("count %d is more than the %d entries that the slice has room for", count, len(array)),
			}
		}
	}
	return nil
}

// address is 0 for nil only: an empty slice has an address too.
func address(array []uint32) uint64 {
	return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(array))))
}

// LinkCreate is BPF_LINK_CREATE.
func (p *Process) LinkCreate(r mprog.LinkCreateRequest) (fd uint32, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	err = p.call(mprog.OpLinkCreate, attr.LinkCreate, attr.EncodeLinkCreate(&p.attr, r))
	if err != nil {
		return 0, err
	}
	return p.fd, nil
}

// LinkUpdate is BPF_LINK_UPDATE.
func (p *Process) LinkUpdate(r mprog.LinkUpdateRequest) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.call(mprog.OpLinkUpdate, attr.LinkUpdate, attr.EncodeLinkUpdate(&p.attr, r))
}

// LinkDetach is BPF_LINK_DETACH. It waits for a grace period of RCU.
func (p *Process) LinkDetach(r mprog.LinkDetachRequest) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.call(mprog.OpLinkDetach, attr.LinkDetach, attr.EncodeLinkDetach(&p.attr, r))
}

// Close is close(2). When fd was the last reference to a link, its program is
// off the hook when Close returns, which then waits for a grace period of RCU.
//
// The few descriptors that the environment itself needs are out of reach: EBADF.
func (p *Process) Close(fd uint32) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fd = fd
	if err := p.do(p.runClose); err != nil {
		return err
	}
	return p.failure(mprog.OpClose)
}
