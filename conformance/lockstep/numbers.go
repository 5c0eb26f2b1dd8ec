package lockstep

// numbers tells the slots of ids or ifindexes. Most are small: those are in a list.
type numbers struct {
	low  []int16 // slot + 1; 0: none
	high map[uint32]int16
	set  []uint32 // what was ever set in low
}

const lowNumbers = 1 << 20

func (n *numbers) put(number uint32, slot int16) {
	if number >= lowNumbers {
		if n.high == nil {
			n.high = map[uint32]int16{}
		}
		n.high[number] = slot
		return
	}
	for uint32(len(n.low)) <= number {
		n.low = append(n.low, 0)
	}
	n.low[number] = slot + 1
	n.set = append(n.set, number)
}

func (n *numbers) remove(number uint32) {
	if number < uint32(len(n.low)) {
		n.low[number] = 0
	}
	delete(n.high, number)
}

func (n *numbers) clear() {
	for _, number := range n.set {
		n.low[number] = 0
	}
	n.set = n.set[:0]
	clear(n.high)
}

// slot returns what an id or ifindex is to the sequence; 0 is none.
func (n *numbers) slot(number uint32) int16 {
	switch {
	case number == 0:
		return -1
	case number < uint32(len(n.low)):
		if s := n.low[number]; s != 0 {
			return s - 1
		}
		return unknown
	}
	if s, ok := n.high[number]; ok {
		return s
	}
	return unknown
}
