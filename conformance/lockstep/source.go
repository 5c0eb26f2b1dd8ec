package lockstep

import "math/rand/v2"

// source is where a generator's choices come from.
type source interface {
	// intn returns a number below n.
	intn(n int) int
	// done reports whether there is nothing to choose from any more.
	done() bool
}

// seeded chooses at random, for ever.
type seeded struct{ *rand.Rand }

func newSeeded(seed, sequence uint64) seeded {
	return seeded{rand.New(rand.NewPCG(seed, sequence))}
}

func (s seeded) intn(n int) int { return s.IntN(n) }
func (seeded) done() bool       { return false }

// bytes chooses what a string of bytes says. Behind its end every choice is the
// first.
type bytes struct{ rest []byte }

func (b *bytes) next() int {
	if len(b.rest) == 0 {
		return 0
	}
	n := b.rest[0]
	b.rest = b.rest[1:]
	return int(n)
}

func (b *bytes) intn(n int) int {
	v := b.next()
	if n > 256 {
		v = v<<8 | b.next()
	}
	return v % n
}

func (b *bytes) done() bool { return len(b.rest) == 0 }
