package machine

import (
	"sync/atomic"
	"unsafe"
)

// A ring buffer's memory is shared with those who read it: a page with the
// consumer's position, one with the producer's, and twice the room for data. In a
// kernel the second half is the first, mapped again, so that a record that goes
// on beyond the end can be read in one piece. Here it is there for just that: all
// readers begin in the first half.
//
// A record begins with its length and flags, and is a multiple of 8 bytes long.
const (
	ringPage      = pageSize
	ringData      = 2 * ringPage
	ringHeader    = 8       // BPF_RINGBUF_HDR_SZ
	ringBusy      = 1 << 31 // BPF_RINGBUF_BUSY_BIT
	ringDiscarded = 1 << 30 // BPF_RINGBUF_DISCARD_BIT

	maxRecord = 1<<32/4 - 1 // RINGBUF_MAX_RECORD_SZ
)

type ring []byte

func (r ring) size() uint64     { return uint64(len(r)-ringData) / 2 }
func (r ring) consumer() uint64 { return atomic.LoadUint64(r.position(0)) }
func (r ring) producer() uint64 { return atomic.LoadUint64(r.position(ringPage)) }

func (r ring) position(at int) *uint64 { return (*uint64)(unsafe.Pointer(&r[at])) }

// record is a place that is reserved. Its address is that of the sample.
type record struct {
	header *uint32
	size   uint32
}

// reserve takes room for a sample, nil where there is too little.
func (r ring) reserve(size uint64) (sample []byte, made record) {
	length := (size + ringHeader + 7) &^ 7
	end := r.producer() + length
	if size > maxRecord || length > r.size() || end-r.consumer() > r.size()-1 {
		return nil, record{}
	}
	at := ringData + (end-length)&(r.size()-1)
	made = record{(*uint32)(unsafe.Pointer(&r[at])), uint32(size)}
	atomic.StoreUint32(made.header, made.size|ringBusy)
	atomic.StoreUint64(r.position(ringPage), end)
	return r[at+ringHeader:][:size:size], made
}

// finish lets readers have the record, or pass it by.
func (d record) finish(flag uint32) { atomic.StoreUint32(d.header, d.size|flag) }

// Flags of the helpers of ring buffers.
const (
	ringNoWake    = 1 << 0 // BPF_RB_NO_WAKEUP
	ringForceWake = 1 << 1 // BPF_RB_FORCE_WAKEUP
)

func (m *run) ringAt(address uint64) (ring, error) {
	of, err := m.mapAt(address)
	if err != nil {
		return nil, err
	}
	r := of.Ring()
	if r == nil {
		return nil, errNoRing
	}
	return r, nil
}
