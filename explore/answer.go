package explore

import (
	"fmt"
	"math/bits"

	"github.com/nkconform/nkconform/mprog"
)

// answer is what a call is answered with, without what no kernel tells: why.
type answer struct {
	value  any
	err    error
	arrays [4][]uint32 // what a query wrote
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0x9e3779b97f4a7c15, b^0xe7037ed1a0b428db)
	return hi ^ lo ^ bits.RotateLeft64(a, 23)
}

func hashString(s string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return mix(h, uint64(len(s)))
}

// key tells answers apart.
func (a *answer) key() uint64 {
	if a.err != nil {
		errno, ok := mprog.ErrnoOf(a.err)
		if !ok {
			return hashString(a.err.Error())
		}
		return a.arrayKey(mix(1, uint64(errno)))
	}
	switch v := a.value.(type) {
	case nil:
		return 2
	case uint32:
		return mix(3, uint64(v))
	case mprog.QueryResult:
		return a.arrayKey(mix(mix(4, v.Revision), uint64(v.Count)<<32|uint64(v.AttachFlags)))
	case mprog.ObjectInfo:
		h := mix(uint64(v.Kind)<<32|uint64(v.ID), uint64(v.ProgType)<<32|uint64(v.LinkType))
		return mix(mix(h, uint64(v.ProgID)<<32|uint64(v.Ifindex)), mix(uint64(v.AttachType), hashString(v.ProgName)))
	}
	return hashString(fmt.Sprint(a.value))
}

func (a *answer) arrayKey(h uint64) uint64 {
	for i, array := range a.arrays {
		for _, n := range array {
			h = mix(h, uint64(n))
		}
		h += uint64(i * len(array))
	}
	return h
}

// own copies what belongs to somebody else.
func (a answer) own() answer {
	for i, array := range a.arrays {
		a.arrays[i] = append([]uint32(nil), array...)
	}
	return a
}

// plain is an error without what no kernel tells.
func plain(op mprog.Op, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := err.(*mprog.Error); ok {
		if e.Detail == "" {
			return e
		}
		return &mprog.Error{Op: op, Errno: e.Errno, Rule: e.Rule}
	}
	return err
}

// shapeOf is what a request asks, without what counts up: with numbers of revisions
// and fds it would be another one each time.
func shapeOf(op mprog.Op, request any) uint64 {
	h := hashString(string(op))
	switch r := request.(type) {
	case mprog.AttachRequest:
		return mix(h, uint64(r.TargetIfindex)<<32|uint64(r.AttachType)<<16|uint64(r.Flags))
	case mprog.DetachRequest:
		return mix(h, uint64(r.TargetIfindex)<<32|uint64(r.AttachType)<<16|uint64(r.Flags))
	case mprog.LinkCreateRequest:
		return mix(h, uint64(r.TargetIfindex)<<32|uint64(r.AttachType)<<16|uint64(r.Flags))
	case mprog.QueryRequest:
		return mix(h, uint64(r.TargetIfindex)<<32|uint64(r.AttachType)<<16)
	case mprog.PinRequest:
		return mix(h, hashString(r.Path))
	case mprog.GetRequest:
		return mix(h, hashString(r.Path))
	case string:
		return mix(h, hashString(r))
	}
	return h
}

// requestKey tells requests apart, in every process alike.
func requestKey(op mprog.Op, request any) uint64 {
	h := hashString(string(op))
	switch r := request.(type) {
	case mprog.QueryRequest:
		for i, array := range r.Arrays() {
			h = mix(h, uint64(len(*array))<<3|uint64(i))
			*array = nil
		}
		return mix(h, hashString(fmt.Sprint(r)))
	}
	return mix(h, hashString(fmt.Sprintf("%T%+v", request, request)))
}
