package machine

// World is what programs reach besides their packet.
type World interface {
	Map(id uint32) Map // nil if there is none
	Now() uint64       // nanoseconds
	Random() uint32
}

// Map is a map, as programs see it. Values are memory that stays the map's.
type Map interface {
	KeySize() uint32
	ValueSize() uint32
	Lookup(key []byte) []byte
	Update(key, value []byte, flags uint64) (errno int)
	Delete(key []byte) (errno int)
	// Inner returns the id of the map that an element of a map of maps is.
	Inner(key []byte) (id uint32, ok bool)
	// Tail returns the program that an element of a map of programs is, nil if
	// none can be run by its index.
	Tail(index uint32) *Program
	// Push, Pop and Peek are of queues and stacks.
	Push(value []byte, flags uint64) (errno int)
	Pop(remove bool) []byte
}
