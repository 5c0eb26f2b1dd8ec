package control

import (
	"encoding/gob"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// What a test asks of a kernel; of none with Start and Thread. The first kernel that it
// starts is 1.
type (
	// Start makes a kernel the one that answers. The answer is Started.
	Start struct {
		Machine fake.Machine
		// Netns is where the kernel answers, and TID a thread there; 0: it is the
		// one that answers everywhere.
		Netns uint64
		TID   int
	}
	// Started tells the kernel's number.
	Started struct {
		Kernel  int
		Private bool // the program is in namespaces of its own
	}
	// Call makes a call of one of the kernel's own processes.
	Call struct{ fake.RemoteCall }
	// Inject has the test asked at calls that match. The answer is an int, by
	// which it is known.
	Inject struct {
		After bool
		Match fake.RemoteMatch
	}
	// Stop ends an Inject or Observe.
	Stop struct{ Number int }
	// Hook asks for a [fake.HookState].
	Hook struct {
		Ifindex uint32
		Type    mprog.AttachType
	}
	// Told has the calls for observers, and what was done wrong, in sentences.
	Told struct {
		Calls      []Observed
		Complaints []string
	}
	// Thread says that a thread does what injections do, and nothing else, or that
	// it ends: its number may be another's then.
	Thread struct {
		TID  int
		Ends bool
	}
	// Netns says which inode a network namespace of the kernel's has.
	Netns struct {
		Netns mprog.Netns
		Inode uint64
	}
)

// Word asks a kernel for something that takes one word to ask.
type Word int

// What takes one word.
const (
	End     Word = 1 + iota // have the kernel before answer again
	Observe                 // keep each call for News; the answer is an int, as Inject's
	Trace                   // the calls as text
	Leaks                   // a [][fake.Left]
	News                    // what there is to tell since; the answer is Told
	Review                  // take in what has become of devices of the running kernel
)

// What a test is asked.
type (
	// Act asks what an injection does at a call; the answer is its error. Who asks
	// holds no lock meanwhile: the test may need what it waits for.
	Act struct {
		Number int
		Event  fake.RemoteEvent
	}
)

// Observed is a call, for an observer.
type Observed struct {
	Number int
	Event  fake.RemoteEvent
	Err    *Error
}

// query is a [mprog.QueryRequest] on its way, with the lengths of its arrays;
// -1 is one that is not there.
type query struct {
	Request mprog.QueryRequest
	Lengths [4]int
}

func init() {
	for _, v := range []any{
		Start{}, Started{}, Call{}, Inject{}, Stop{}, Hook{}, Thread{}, Netns{},
		Act{}, Word(0), Told{}, Observed{}, Error{}, query{}, Answered{}, []fake.Left{}, fake.HookState{}, fake.MoveRequest{},
		mprog.AttachRequest{}, mprog.DetachRequest{}, mprog.LinkCreateRequest{}, mprog.LinkUpdateRequest{},
		mprog.LinkDetachRequest{}, mprog.IDRequest{}, mprog.PinRequest{}, mprog.GetRequest{}, mprog.CommandRequest{},
		mprog.QueryResult{}, mprog.ObjectInfo{}, mprog.DeviceSpec{}, mprog.ProgSpec{}, mprog.ProcessSpec{},
		mprog.Delivery{}, mprog.Netns(0), [2]uint32{},
	} {
		gob.Register(v)
	}
}

// Answered is the answer to a query: the result, and the arrays.
type Answered struct {
	Result mprog.QueryResult
	Arrays [4][]uint32
}

// pack readies what gob would change: a request's arrays, of which it drops those
// that are empty.
func pack(v any) any {
	switch v := v.(type) {
	case Call:
		v.Request = pack(v.Request)
		return v
	case Act:
		v.Event.Request = pack(v.Event.Request)
		return v
	case Told:
		for i := range v.Calls {
			c := &v.Calls[i]
			c.Event.Request = pack(c.Event.Request)
			c.Err, c.Event.Err = wire(c.Event.Err), nil
		}
		return v
	case mprog.QueryRequest:
		q := query{Request: v}
		for i, array := range v.Arrays() {
			if q.Lengths[i] = -1; *array != nil {
				q.Lengths[i] = len(*array)
			}
		}
		for _, array := range q.Request.Arrays() {
			*array = nil
		}
		return q
	}
	return v
}

// longestArray bounds what is believed of a length.
const longestArray = 1 << 16

// unpack is the inverse of pack.
func unpack(v any) any {
	switch v := v.(type) {
	case Call:
		v.Request = unpack(v.Request)
		return v
	case Act:
		v.Event.Request = unpack(v.Event.Request)
		return v
	case Told:
		for i := range v.Calls {
			c := &v.Calls[i]
			c.Event.Request = unpack(c.Event.Request)
			c.Event.Err = c.Err.unwire()
		}
		return v
	case query:
		for i, array := range v.Request.Arrays() {
			if n := v.Lengths[i]; n >= 0 && n <= longestArray {
				*array = make([]uint32, n)
			}
		}
		return v.Request
	}
	return v
}
