package kernel

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// Where the memory of an array ends behind its first entry, the kernel has written
// the first entry everywhere, and the second to the arrays in front of that one.
func TestQueryMemoryEnds(t *testing.T) {
	s := newStage(t)
	a, b := s.prog("a"), s.prog("b")
	link, err := s.link(a, 0)
	require.NoError(t, err)
	require.NoError(t, s.attach(b, 0, 0, 0))
	linkID, err := s.ObjectInfo(link)
	require.NoError(t, err)
	idA, idB := progInfo(t, s.Process, a).ID, progInfo(t, s.Process, b).ID
	const untouched = 7
	for _, test := range []struct {
		name  string
		short int
		want  [4][]uint32
	}{
		{"prog_ids", 0, [4][]uint32{{idA}, {0, untouched}, {linkID.ID, untouched}, {0, untouched}}},
		{"prog_attach_flags", 1, [4][]uint32{{idA, idB}, {0}, {linkID.ID, untouched}, {0, untouched}}},
		{"link_ids", 2, [4][]uint32{{idA, idB}, {0, 0}, {linkID.ID}, {0, untouched}}},
		{"link_attach_flags", 3, [4][]uint32{{idA, idB}, {0, 0}, {linkID.ID, 0}, {0}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var arrays [4][]uint32
			for i := range arrays {
				arrays[i] = []uint32{untouched, untouched}
			}
			arrays[test.short] = atEnd(t)
			got, err := s.ProgQuery(mprog.QueryRequest{
				TargetIfindex: loopback, AttachType: mprog.TCXIngress, Count: 2, ProgIDs: arrays[0],
				ProgAttachFlags: arrays[1], LinkIDs: arrays[2], LinkAttachFlags: arrays[3],
			})
			assert.ErrorIs(t, err, mprog.EFAULT)
			assert.Equal(t, mprog.QueryResult{Count: 2, Revision: 3}, got)
			arrays[test.short] = arrays[test.short][:1] // the rest is no memory
			assert.Equal(t, test.want, arrays)
		})
	}
}

// atEnd returns an array of two numbers of which the second is no memory.
func atEnd(t *testing.T) []uint32 {
	size := unix.Getpagesize()
	pages, err := unix.Mmap(-1, 0, 2*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, unix.Munmap(pages)) })
	require.NoError(t, unix.Mprotect(pages[size:], unix.PROT_NONE))
	return unsafe.Slice((*uint32)(unsafe.Pointer(&pages[size-4])), 2)
}

// An address that is cut off is nowhere, even if what is left of it is the same.
func TestQueryCutAddress(t *testing.T) {
	s := newStage(t)
	require.NoError(t, s.attach(s.prog("a"), 0, 0, 0))
	low, err := unix.MmapPtr(-1, 0, unsafe.Add(nil, 0x1000_0000), uintptr(unix.Getpagesize()),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE)
	if err != nil {
		t.Skipf("no memory at an address of 32 bits: %v", err)
	}
	t.Cleanup(func() { assert.NoError(t, unix.MunmapPtr(low, uintptr(unix.Getpagesize()))) })
	memory := unsafe.Slice((*uint32)(low), 16)
	for _, shape := range []mprog.Shape{{Size: 36}, {Size: 44}, {Size: 52}, {Size: 33}} {
		clear(memory)
		_, err := s.ProgQuery(mprog.QueryRequest{
			Shape: shape, TargetIfindex: loopback, AttachType: mprog.TCXIngress, Count: 1, ProgIDs: make([]uint32, 1),
			ProgAttachFlags: memory[0:1:1], LinkIDs: memory[4:5:5], LinkAttachFlags: memory[8:9:9],
		})
		assert.ErrorIs(t, err, mprog.EFAULT, shape)
	}
}
