package sim

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

// A program that is opened again by its id has a name for that fd, so that each fd is
// closed once; a device that is made again has another name.
func TestRecordAgain(t *testing.T) {
	p := newProcess(t, Options{Record: true})
	p.sim.Home(7)
	p.names[5] = "d0"
	prog := p.program("mine", -1)
	id := p.fds[prog].ID
	link := p.must(28, words(64, map[int]uint32{0: prog, 4: 5, 8: uint32(mprog.TCXIngress)}))
	p.close(prog)
	for range 2 {
		p.close(p.must(13, words(4, map[int]uint32{0: id})))
	}
	p.sim.Unmirror(7, 5)
	p.close(link)
	second := p.program("mine", -1)
	p.must(28, words(64, map[int]uint32{0: second, 4: 5, 8: uint32(mprog.TCXIngress)}))

	made := p.sim.Trace()
	require.NotNil(t, made)
	assert.Equal(t, `# Recorded from a program.
need tcx
prog mine
device d0
link l1 d0:ingress mine size=64        = revision 2 [mine@l1]
close mine
prog-fd minex2 mine
close minex2
prog-fd minex3 mine
close minex3
delete d0
close l1
prog p2
device d0x2
link l2 d0x2:ingress p2 size=64        = revision 2 [p2@l2]
`, made.String())
}
