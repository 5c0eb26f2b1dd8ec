package sim

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/nkconform/nkconform/mprog"
)

// perfBuffer is what an event's samples are written to: a page that tells where they
// are (struct perf_event_mmap_page), and behind it the data, a power of two bytes.
type perfBuffer struct {
	mu        sync.Mutex
	memory    Memory
	backward  bool
	overwrite bool // mapped read-only: there is no telling what has been read
	paused    bool
	watermark uint64
	head      uint64 // of all that was ever written
	mark      uint64 // changes where those who wait are to look
	events    uint32 // since they were to look
	lost      uint64
}

// Where struct perf_event_mmap_page has its fields.
const (
	perfPageCapabilities = 40
	perfPageSize         = 72
	perfPageHead         = 1024
	perfPageTail         = 1032
	perfPageData         = 1040 // data_offset, then data_size

	withoutDeprecated = 1 << 1 // cap_bit0_is_deprecated
	perfPageKnown     = 96     // struct perf_event_mmap_page, up to what is reserved
)

// newPerfBuffer writes the first page (perf_event_init_userpage).
func newPerfBuffer(memory Memory, o *PerfOutput, writable bool) *perfBuffer {
	b := &perfBuffer{memory: memory, backward: o.Backward, overwrite: !writable}
	size := b.size()
	b.paused = size == 0
	b.watermark = size / 2
	if o.Watermark && o.Wakeup != 0 {
		b.watermark = min(size, uint64(o.Wakeup))
	}
	page := memory.Bytes()
	native.PutUint64(page[perfPageCapabilities:], withoutDeprecated)
	native.PutUint32(page[perfPageSize:], perfPageKnown)
	native.PutUint64(page[perfPageData:], pageSize)
	native.PutUint64(page[perfPageData+8:], size)
	return b
}

// size is that of the data, 0 once the buffer is nowhere mapped.
func (b *perfBuffer) size() uint64 {
	if b.memory == nil {
		return 0
	}
	return uint64(len(b.memory.Bytes()) - pageSize)
}

func (b *perfBuffer) position(at int) *uint64 {
	return (*uint64)(unsafe.Pointer(&b.memory.Bytes()[at]))
}

// room is CIRC_SPACE.
func (b *perfBuffer) room(head, tail uint64) uint64 { return (tail - (head + 1)) & (b.size() - 1) }

// write adds a record, behind one that tells of those that were lost: ENOSPC if there is
// no room (__perf_output_begin, perf_output_end). wakeups is how many samples those who
// wait want to be woken by, 0: by bytes alone.
func (b *perfBuffer) write(record []byte, lost func(count uint64) []byte, wakeups uint32) mprog.Errno {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.size() == 0 {
		return mprog.ENOSPC
	}
	if b.paused {
		b.lost++
		return mprog.ENOSPC
	}
	if b.lost > 0 {
		record = append(lost(b.lost), record...)
	}
	size, tail := uint64(len(record)), atomic.LoadUint64(b.position(perfPageTail))
	from, to := b.head, tail
	if b.backward {
		from, to = tail, b.head
	}
	if !b.overwrite && b.room(from, to) < size {
		b.lost++
		return mprog.ENOSPC
	}
	b.lost = 0
	at, written, before := b.head, b.head+size, b.mark
	b.head = written
	if b.backward {
		b.head = at - size
		at, written = b.head, -b.head
	}
	if written-b.mark > b.watermark {
		b.mark += b.watermark
	}
	data := b.memory.Bytes()[pageSize:]
	for len(record) > 0 {
		n := copy(data[at&(b.size()-1):], record)
		at, record = at+uint64(n), record[n:]
	}
	if wakeups > 0 {
		if b.events++; b.events >= wakeups {
			b.events -= wakeups
			b.mark++
		}
	}
	atomic.StoreUint64(b.position(perfPageHead), b.head)
	if b.mark != before {
		b.memory.Wake()
	}
	return 0
}
