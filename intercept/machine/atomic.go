package machine

import "fmt"

// Operations of an atomic instruction, besides those on numbers.
const (
	atomicFetch    = 0x01
	atomicExchange = 0xe0
	atomicCompare  = 0xf0
)

// atomic reads, changes and writes. Runs are one after the other, so that there
// is nothing to be done for it.
func (m *run) atomic(i *insn) error {
	address := m.r[i.dst] + i.offset()
	op := byte(i.imm)
	if i.size() < 4 || i.imm != int64(op) {
		return fmt.Errorf("atomic operation %#x: %w", i.imm, ErrUnknown)
	}
	old, err := m.load(address, i.size())
	if err != nil {
		return err
	}
	v := m.r[i.src]
	switch op &^ atomicFetch {
	case aluAdd:
		v = old + v
	case aluOr:
		v = old | v
	case aluAnd:
		v = old & v
	case aluXor:
		v = old ^ v
	case atomicExchange:
	case atomicCompare:
		want := m.r[0]
		if i.size() == 4 {
			want = uint64(uint32(want))
		}
		m.r[0] = old
		if old != want {
			return nil
		}
		return m.store(address, i.size(), v)
	default:
		return fmt.Errorf("atomic operation %#x: %w", i.imm, ErrUnknown)
	}
	if op&atomicFetch != 0 {
		m.r[i.src] = old
	}
	return m.store(address, i.size(), v)
}
