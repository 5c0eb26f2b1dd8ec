package sim

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

// What runs in a cgroup within another one, in the order that Linux 7.3 tells.
func TestEffective(t *testing.T) {
	const multi, override, early, ofCgroup = 2, 1, 1 << 6, 1
	for _, c := range []struct {
		name  string
		outer []uint32 // flags, of programs 1 and on
		inner []uint32 // of programs 11 and on
		want  []uint32
	}{
		{"both orders", []uint32{multi, multi | early, multi | early, multi}, []uint32{multi, multi | early, multi | early, multi}, []uint32{2, 3, 12, 13, 11, 14, 1, 4}},
		{"overridden", []uint32{override}, []uint32{override}, []uint32{11}},
		{"nothing within", []uint32{override}, nil, []uint32{1}},
		{"nothing outside", nil, []uint32{multi}, []uint32{11}},
		{"beside one that may be overridden", []uint32{override}, []uint32{multi}, []uint32{11}},
		{"nothing", nil, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, _ := newInert(t, "7.3")
			const outer, inner = 70, 71
			p.targets[outer] = Target{Kind: CgroupTarget, ID: 1}
			p.targets[inner] = Target{Kind: CgroupTarget, ID: 2, Above: []uint64{1}}
			names := map[uint32]uint32{}
			attach := func(cgroup uint32, flags []uint32, first uint32) {
				for i, f := range flags {
					prog := p.typed(progCgroupSkb, ofCgroup)
					names[p.fds[prog].ID] = first + uint32(i)
					_, _, errno := p.call(8, words(32, map[int]uint32{0: cgroup, 4: prog, 8: ofCgroup, 12: f}))
					require.Zero(t, errno)
				}
			}
			attach(outer, c.outer, 1)
			attach(inner, c.inner, 11)
			ids := p.put(make([]byte, 64))
			query := words(64, map[int]uint32{0: inner, 4: ofCgroup, 8: 1, 24: 16})
			native.PutUint64(query[16:], ids)
			_, at, errno := p.call(16, query)
			require.Zero(t, errno)
			var got []uint32
			for i := range native.Uint32(p.memory[at-base+24:]) {
				got = append(got, names[native.Uint32(p.memory[ids-base+uint64(4*i):])])
			}
			assert.Equal(t, c.want, got)
			native.PutUint64(query[32:], ids) // prog_attach_flags
			_, _, errno = p.call(16, query)
			assert.Equal(t, mprog.EINVAL, errno)
		})
	}
}
