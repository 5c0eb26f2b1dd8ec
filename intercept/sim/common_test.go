package sim

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// What Linux 7.3 and 6.18 say to a map's creation with common attributes.
func TestCommonAttributes(t *testing.T) {
	array := attrOf(2, 4, 4, 1, 0, 0)
	for _, c := range []struct {
		name    string
		release string
		attr    []byte
		common  []byte // nil: none
		size    int
		want    mprog.Errno
		says    string
	}{
		{"none", "7.3", array, nil, 0, 0, ""},
		{"none, with a size", "7.3", array, nil, 32, mprog.EFAULT, ""},
		{"zeros", "7.3", array, make([]byte, 32), 32, 0, ""},
		{"short", "7.3", array, make([]byte, 20), 20, 0, ""},
		{"an unknown byte", "7.3", array, append(make([]byte, 39), 1), 40, mprog.E2BIG, ""},
		{"padding", "7.3", array, append(make([]byte, 20), 1, 0, 0, 0), 24, mprog.E2BIG, ""},
		{"too long", "7.3", array, make([]byte, 4097), 4097, mprog.E2BIG, ""},
		{"before there were any", "6.18", array, make([]byte, 32), 32, mprog.EINVAL, ""},
		{"a type", "7.3", attrOf(99, 4, 4, 1), nil, 20, mprog.EINVAL, "Invalid map_type.\n"},
		{"a node", "7.3", attrOf(2, 4, 4, 1, numaNode, 0, 5000), nil, 20, mprog.EINVAL, "Invalid numa_node.\n"},
		{"a shape", "7.3", attrOf(2, 8, 4, 1), nil, 20, mprog.EINVAL, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProcess(t, Options{})
			p.sim = New(fake.New(fake.Linux(c.release)), Options{})
			log := p.put(make([]byte, 100))
			at := uint64(0)
			if c.common == nil && c.size == 20 {
				c.common = attrOf(log, 100, 1, 0)
			}
			if c.common != nil {
				at = p.put(c.common)
			}
			a := p.sim.BPFCommon(p, commonFlag, p.put(c.attr), uint32(len(c.attr)), at, uint32(c.size))
			require.Equal(t, c.want, a.Errno)
			text, err := p.at(log, 100)
			require.NoError(t, err)
			require.Equal(t, c.says, string(text[:len(c.says)]))
			if c.says != "" {
				trueSize, err := p.at(at+commonTrueSize, 4)
				require.NoError(t, err)
				require.Equal(t, uint32(len(c.says)+1), native.Uint32(trueSize))
			} else {
				require.Zero(t, text[0])
			}
		})
	}
}
