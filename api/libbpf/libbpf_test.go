package libbpf_test

import (
	"errors"
	"reflect"
	"syscall"
	"testing"

	"github.com/nkconform/nkconform/api/libbpf"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// recorder notes the last request that reaches the kernel.
type recorder struct {
	*fake.Kernel
	last any
}

func (r *recorder) ProgAttach(q mprog.AttachRequest) error {
	r.last = q
	return r.Kernel.ProgAttach(q)
}

func (r *recorder) ProgDetach(q mprog.DetachRequest) error {
	r.last = q
	return r.Kernel.ProgDetach(q)
}

func (r *recorder) ProgQuery(q mprog.QueryRequest) (mprog.QueryResult, error) {
	r.last = q
	return r.Kernel.ProgQuery(q)
}

func (r *recorder) LinkCreate(q mprog.LinkCreateRequest) (uint32, error) {
	r.last = q
	return r.Kernel.LinkCreate(q)
}

func (r *recorder) LinkUpdate(q mprog.LinkUpdateRequest) error {
	r.last = q
	return r.Kernel.LinkUpdate(q)
}

const (
	primary = mprog.NetkitPrimary
	ifindex = 7 // of no device
	prog    = 5 // no fd
)

// size is a struct's head with a size of its user's choice.
func size(sz uint64, tail ...byte) libbpf.Size { return libbpf.Size{Sz: sz, Tail: tail} }

func attachNetkit(opts *libbpf.NetkitOpts) func(mprog.Kernel) error {
	return func(k mprog.Kernel) error {
		p := &libbpf.Program{FD: prog, ExpectedAttachType: primary}
		_, err := libbpf.AttachNetkit(k, p, ifindex, opts)
		return err
	}
}

func progAttach(opts *libbpf.ProgAttachOpts) func(mprog.Kernel) error {
	return func(k mprog.Kernel) error { return libbpf.ProgAttach(k, prog, ifindex, primary, opts) }
}

func progDetach(opts *libbpf.ProgDetachOpts) func(mprog.Kernel) error {
	return func(k mprog.Kernel) error { return libbpf.ProgDetach(k, prog, ifindex, primary, opts) }
}

func progQuery(opts *libbpf.ProgQueryOpts) func(mprog.Kernel) error {
	return func(k mprog.Kernel) error { return libbpf.ProgQuery(k, ifindex, primary, opts) }
}

func linkCreate(opts *libbpf.LinkCreateOpts) func(mprog.Kernel) error {
	return func(k mprog.Kernel) error {
		_, err := libbpf.LinkCreate(k, prog, ifindex, primary, opts)
		return err
	}
}

func linkUpdate(opts *libbpf.LinkUpdateOpts) func(mprog.Kernel) error {
	return func(k mprog.Kernel) error { return libbpf.LinkUpdate(k, prog, prog, opts) }
}

// What the library refuses: EINVAL, and nothing reaches the kernel.
func TestRefusedWithoutACall(t *testing.T) {
	for name, call := range map[string]func(mprog.Kernel) error{
		"attach: no size":        attachNetkit(&libbpf.NetkitOpts{}),
		"attach: size too small": attachNetkit(&libbpf.NetkitOpts{Size: size(7)}),
		"attach: nonzero tail":   attachNetkit(&libbpf.NetkitOpts{Size: size(33, 1)}),
		"attach: fd and id":      attachNetkit(libbpf.Opts(libbpf.NetkitOpts{RelativeFD: 1, RelativeID: 1})),
		"attach: ifindex 0": func(k mprog.Kernel) error {
			_, err := libbpf.AttachNetkit(k, &libbpf.Program{FD: prog, ExpectedAttachType: primary}, 0, nil)
			return err
		},
		"attach tcx: ifindex 0": func(k mprog.Kernel) error {
			_, err := libbpf.AttachTCX(k, &libbpf.Program{FD: prog, ExpectedAttachType: mprog.TCXIngress}, 0, nil)
			return err
		},
		"attach: not loaded": func(k mprog.Kernel) error {
			_, err := libbpf.AttachNetkit(k, &libbpf.Program{FD: -1, ExpectedAttachType: primary}, ifindex, nil)
			return err
		},
		"prog attach: size too small": progAttach(&libbpf.ProgAttachOpts{Size: size(7)}),
		"prog attach: nonzero tail":   progAttach(&libbpf.ProgAttachOpts{Size: size(40, 0, 0, 0, 0, 0, 0, 0, 0xff)}),
		"prog attach: fd and id":      progAttach(libbpf.Opts(libbpf.ProgAttachOpts{RelativeFD: 1, RelativeID: 1})),
		"prog detach: size too small": progDetach(&libbpf.ProgDetachOpts{Size: size(0)}),
		"prog detach: nonzero tail":   progDetach(&libbpf.ProgDetachOpts{Size: size(33, 1)}),
		"prog detach: fd and id":      progDetach(libbpf.Opts(libbpf.ProgDetachOpts{RelativeFD: 1, RelativeID: 1})),
		"prog query: size too small":  progQuery(&libbpf.ProgQueryOpts{Size: size(1)}),
		"prog query: nonzero tail":    progQuery(&libbpf.ProgQueryOpts{Size: size(65, 1)}),
		"link create: size too small": linkCreate(&libbpf.LinkCreateOpts{Size: size(7)}),
		"link create: union's rest":   linkCreate(&libbpf.LinkCreateOpts{Size: size(80, 0, 1)}),
		"link create: fd and id":      linkCreate(libbpf.Opts(libbpf.LinkCreateOpts{RelativeFD: 1, RelativeID: 1})),
		"link update: nonzero tail":   linkUpdate(&libbpf.LinkUpdateOpts{Size: size(24, 0, 0, 0, 1)}),
		"link update: prog and map":   linkUpdate(libbpf.Opts(libbpf.LinkUpdateOpts{OldProgFD: 1, OldMapFD: 1})),
	} {
		t.Run(name, func(t *testing.T) {
			k := &recorder{Kernel: fake.New()}
			err := call(k)
			if !errors.Is(err, syscall.EINVAL) || k.last != nil {
				t.Errorf("%v, kernel asked for %+v", err, k.last)
			}
		})
	}
}

// What the library makes of what it hands on.
func TestHandedOn(t *testing.T) {
	at := mprog.AttachRequest{TargetIfindex: ifindex, AttachFD: prog, AttachType: primary}
	create := mprog.LinkCreateRequest{TargetIfindex: ifindex, ProgFD: prog, AttachType: primary}
	for _, test := range []struct {
		name string
		call func(mprog.Kernel) error
		want any
	}{
		{"no options", attachNetkit(nil), create},
		{"everything", attachNetkit(libbpf.Opts(libbpf.NetkitOpts{Flags: mprog.Before | mprog.Link, RelativeFD: 9, ExpectedRevision: 3})),
			with(create, func(q *mprog.LinkCreateRequest) {
				q.Flags, q.Relative, q.ExpectedRevision = mprog.Before|mprog.Link, 9, 3
			})},
		{"an id adds ID", attachNetkit(libbpf.Opts(libbpf.NetkitOpts{Flags: mprog.After, RelativeID: 9})),
			with(create, func(q *mprog.LinkCreateRequest) { q.Flags, q.Relative = mprog.After|mprog.ID, 9 })},
		{"id 0 is no id", attachNetkit(libbpf.Opts(libbpf.NetkitOpts{Flags: mprog.After})),
			with(create, func(q *mprog.LinkCreateRequest) { q.Flags = mprog.After })},
		{"fields behind the size are absent",
			attachNetkit(&libbpf.NetkitOpts{Size: size(12), Flags: mprog.After, RelativeFD: 9, RelativeID: 8, ExpectedRevision: 3}),
			with(create, func(q *mprog.LinkCreateRequest) { q.Flags = mprog.After })},
		{"a field that the size cuts is absent",
			attachNetkit(&libbpf.NetkitOpts{Size: size(11), Flags: mprog.After}), create},
		{"a tail of zeros", attachNetkit(&libbpf.NetkitOpts{Size: size(64, make([]byte, 9)...), Flags: mprog.After}),
			with(create, func(q *mprog.LinkCreateRequest) { q.Flags = mprog.After })},
		{"a tail behind the size", attachNetkit(&libbpf.NetkitOpts{Size: size(33, 0, 1), Flags: mprog.After}),
			with(create, func(q *mprog.LinkCreateRequest) { q.Flags = mprog.After })},
		{"the hook is the program's", func(k mprog.Kernel) error {
			_, err := libbpf.AttachNetkit(k, &libbpf.Program{FD: prog, ExpectedAttachType: mprog.TCXEgress}, ifindex, nil)
			return err
		}, with(create, func(q *mprog.LinkCreateRequest) { q.AttachType = mprog.TCXEgress })},

		{"prog attach", progAttach(libbpf.Opts(libbpf.ProgAttachOpts{
			Flags: mprog.Replace | mprog.Before, ReplaceFD: 8, RelativeID: 9, ExpectedRevision: 3,
		})), with(at, func(q *mprog.AttachRequest) {
			q.Flags, q.ReplaceFD, q.Relative, q.ExpectedRevision = mprog.Replace|mprog.Before|mprog.ID, 8, 9, 3
		})},
		{"prog attach, size cuts", progAttach(&libbpf.ProgAttachOpts{Size: size(16), ReplaceFD: 8, RelativeFD: 9}),
			with(at, func(q *mprog.AttachRequest) { q.ReplaceFD = 8 })},
		{"prog detach", progDetach(libbpf.Opts(libbpf.ProgDetachOpts{Flags: mprog.Before, RelativeFD: 9, ExpectedRevision: 3})),
			with(mprog.DetachRequest(at), func(q *mprog.DetachRequest) { q.Flags, q.Relative, q.ExpectedRevision = mprog.Before, 9, 3 })},
		{"prog detach, nil", progDetach(nil), mprog.DetachRequest(at)},
		{"query, no arrays", progQuery(&libbpf.ProgQueryOpts{Size: size(28), Count: 3, LinkIDs: make([]uint32, 3)}),
			mprog.QueryRequest{TargetIfindex: ifindex, AttachType: primary, Count: 3}},
		{"query, attach flags", progQuery(libbpf.Opts(libbpf.ProgQueryOpts{
			Count: 1, QueryFlags: 2, ProgAttachFlags: []uint32{3}, LinkAttachFlags: []uint32{4},
		})), mprog.QueryRequest{
			TargetIfindex: ifindex, AttachType: primary, Count: 1, QueryFlags: 2,
			ProgAttachFlags: []uint32{3}, LinkAttachFlags: []uint32{4},
		}},
		{"query, size cuts", progQuery(&libbpf.ProgQueryOpts{
			Size: size(55), Count: 1, ProgAttachFlags: []uint32{3}, LinkAttachFlags: []uint32{4},
		}), mprog.QueryRequest{TargetIfindex: ifindex, AttachType: primary, Count: 1, ProgAttachFlags: []uint32{3}}},
		{"link update", linkUpdate(libbpf.Opts(libbpf.LinkUpdateOpts{Flags: mprog.Replace, OldProgFD: 9})),
			mprog.LinkUpdateRequest{LinkFD: prog, NewProgFD: prog, Flags: mprog.Replace, OldProgFD: 9}},
		{"link update of a map", linkUpdate(libbpf.Opts(libbpf.LinkUpdateOpts{OldMapFD: 9})),
			mprog.LinkUpdateRequest{LinkFD: prog, NewProgFD: prog, OldProgFD: 9}},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := &recorder{Kernel: fake.New()}
			if err := test.call(k); err == nil {
				t.Error("there is no such program, yet no error")
			}
			if !reflect.DeepEqual(k.last, test.want) {
				t.Errorf("asked for\n%+v, want\n%+v", k.last, test.want)
			}
		})
	}
}

func with[T any](v T, change func(*T)) T {
	change(&v)
	return v
}
