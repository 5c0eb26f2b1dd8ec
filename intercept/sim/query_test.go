package sim

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

// The arrays of a query lie in the caller's memory: each is optional, and what
// cannot be written ends the writing in the kernel's order, as the scenarios
// query/address/partly-written show it.
func TestQueryArrays(t *testing.T) {
	const lo, ingress, untouched = 1, 46, 0x77777777
	null, nowhere, oneEntry := uint64(0), uint64(8), uint64(base+1<<20-4)
	for _, tc := range []struct {
		name    string
		address [4]uint64 // of prog_ids, prog_attach_flags, link_ids, link_attach_flags; 1: of two entries
		count   int
		errno   mprog.Errno
		want    [4][2]uint32
	}{
		{
			"all", [4]uint64{1, 1, 1, 1}, 2, 0,
			[4][2]uint32{{1, 2}, {0, 0}, {1, 0}, {0, 0}},
		},
		{
			"attach flags alone", [4]uint64{1, 1, null, 1}, 2, 0,
			[4][2]uint32{{1, 2}, {0, 0}, {}, {0, 0}},
		},
		{
			"no program ids", [4]uint64{null, 1, 1, 1}, 2, 0,
			[4][2]uint32{{}, {untouched, untouched}, {untouched, untouched}, {untouched, untouched}},
		},
		{
			"too short", [4]uint64{1, 1, 1, 1}, 1, mprog.ENOSPC,
			[4][2]uint32{{1, untouched}, {0, untouched}, {1, untouched}, {0, untouched}},
		},
		{
			"link_attach_flags nowhere", [4]uint64{1, 1, 1, nowhere}, 2, mprog.EFAULT,
			[4][2]uint32{{1, untouched}, {0, untouched}, {1, untouched}, {}},
		},
		{
			"prog_attach_flags nowhere", [4]uint64{1, nowhere, 1, 1}, 2, mprog.EFAULT,
			[4][2]uint32{{1, untouched}, {}, {untouched, untouched}, {untouched, untouched}},
		},
		{
			"memory ends in prog_attach_flags", [4]uint64{1, oneEntry, 1, 1}, 2, mprog.EFAULT,
			[4][2]uint32{{1, 2}, {}, {1, untouched}, {0, untouched}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newProcess(t, Options{})
			a, b := p.program("a", -1), p.program("b", 0)
			p.must(28, attrOf(a, lo, ingress, 0))
			p.must(8, attrOf(lo, b, ingress, 0))
			address := tc.address
			for i := range address {
				if address[i] == 1 {
					address[i] = p.put(attrOf(untouched, untouched))
				}
			}
			_, at, errno := p.call(16, attrOf(lo, ingress, 0, 0, address[0], tc.count, 0, address[1], address[2], address[3], uint64(0)))
			require.Equal(t, tc.errno, errno)
			attr, err := p.at(at, 64)
			require.NoError(t, err)
			require.EqualValues(t, 2, native.Uint32(attr[24:]))
			require.EqualValues(t, 3, native.Uint64(attr[56:]))
			for i, want := range tc.want {
				if tc.address[i] == 1 {
					got, err := p.at(address[i], 8)
					require.NoError(t, err)
					require.Equal(t, want, [2]uint32{native.Uint32(got), native.Uint32(got[4:])}, i)
				}
			}
		})
	}
}
