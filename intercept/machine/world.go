package machine

import "github.com/nkconform/nkconform/intercept/layout"

// World is what programs reach besides their packet.
type World interface {
	Map(id uint32) Map // nil if there is none
	Now() uint64       // nanoseconds
	Random() uint32
	// Trace gets what the program prints.
	Trace(text string)
	// Wake has those look at a ring buffer, by the map's id, who wait for it.
	Wake(ring uint32)
	Facts() Facts
	// Timers are those of all maps.
	Timers() *Timers
	// After has a function called later, when nothing else runs; an error of it is of
	// the program that has asked for it.
	After(nanoseconds uint64, f func() error)
	// Types are those of the running kernel, for which programs are relocated.
	Types() (*layout.Types, error)
}

// Facts are what helpers do on some releases of Linux and not on others.
type Facts struct {
	PeerEgress bool   // bpf_redirect_peer knows BPF_F_EGRESS
	MoreFIB    uint32 // flags of bpf_fib_lookup that are not simulated
	MoreRoom   bool   // bpf_skb_adjust_room has flags from 1<<9 to 1<<12, which are not simulated
	ShortDiff  bool   // bpf_csum_diff takes any length, and returns 16 bits
}

// Outside is what programs ask of their network namespace. It is called while
// they run, and must not call what runs them.
type Outside interface {
	// Device returns a device, by its ifindex, false if there is none.
	Device(ifindex uint32) (Device, bool)
	// Route answers bpf_fib_lookup; an error says what cannot be told.
	Route(RouteQuestion) (Route, error)
	// Socket returns a socket, of TCP that of a connection or one that listens.
	Socket(SocketQuestion) (s Socket, found bool, err error)
	// Cookie is the network namespace's own number.
	Cookie() (uint64, error)
	// HasNetns reports whether a network namespace has an id here.
	HasNetns(id int32) (bool, error)
	// SYNCookies tells of SYN cookies.
	SYNCookies() (SYNCookies, error)
}

// SYNCookies is what a network namespace does with SYN cookies.
type SYNCookies struct {
	Mode int  // net.ipv4.tcp_syncookies: 0 never, 1 when there are too many connections to come, 2 always
	Sent bool // some have been
}

// Device is what programs get to know of a device.
type Device struct {
	Name   string
	MTU    uint32
	Header uint32 // length of the link layer's header (hard_header_len)
	Up     bool
	Flags  uint32 // IFF_*
	Type   uint16 // ARPHRD_*
	// Headroom and Tailroom are what it wants free around packets (needed_headroom).
	Headroom, Tailroom uint16
}

// Outlet is where an XDP program may send packets to.
type Outlet struct {
	Ifindex uint32 // 0: a CPU
	Program uint32 // the id of one that has to let them pass there, 0: none
}

// Map is a map, as programs see it. Values are memory that stays the map's.
type Map interface {
	KeySize() uint32
	ValueSize() uint32
	Entries() uint32
	Lookup(key []byte) []byte
	// LookupCPU returns the value that a CPU has of its own.
	LookupCPU(key []byte, cpu uint32) []byte
	Update(key, value []byte, flags uint64) (errno int)
	Delete(key []byte) (errno int)
	Keys() [][]byte
	// Holder returns the key of the value in which a byte is, at a multiple of 8, nil if
	// it is in none.
	Holder(place *byte) []byte
	// Inner returns the id of the map that an element of a map of maps is.
	Inner(key []byte) (id uint32, ok bool)
	// Tail returns the program that an element of a map of programs is, nil if
	// none can be run by its index.
	Tail(index uint32) *Program
	// Device returns what an element of a map of devices is.
	Device(index uint32) (Outlet, bool)
	// Devices are all of them, false if it is no such map.
	Devices() (all []Outlet, ok bool)
	// CPU returns what an element of a map of CPUs is.
	CPU(index uint32) (Outlet, bool)
	// Cgroup returns the id of the cgroup that an element of an array of cgroups is.
	Cgroup(index uint32) (id uint64, ok bool)
	// Stored returns what a storage has for a socket, a task or a cgroup; where that is
	// nothing, it keeps initial, if that is not nil.
	Stored(owner uint64, initial []byte) []byte
	// Forget deletes it, and reports whether there was something.
	Forget(owner uint64) bool
	// Output writes a sample to the perf event at an index.
	Output(index uint32, s Sample) (errno int, err error)
	// Held reports whether an element of an array of references is there.
	Held(index uint32) bool
	// Push, Pop and Peek are of queues and stacks.
	Push(value []byte, flags uint64) (errno int)
	Pop(remove bool) []byte
	// Ring is the memory of a ring buffer: a page for the consumer's position, one
	// for the producer's, and all data twice. Nil: it is no ring buffer.
	Ring() []byte
}
