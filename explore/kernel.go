package explore

import (
	"runtime"

	"github.com/nkconform/nkconform/mprog"
)

// kernel is what an agent calls. Each call waits until it is let through.
type kernel struct{ x *execution }

// Loader is implemented by the kernel that an agent gets, besides [mprog.Kernel]: it
// loads programs.
type Loader interface {
	mprog.Kernel
	LoadProg(mprog.ProgSpec) (fd uint32, err error)
}

// Load loads a program in the process of an agent.
func Load(k mprog.Kernel, name string) (fd uint32, err error) {
	return k.(Loader).LoadProg(mprog.ProgSpec{Name: name})
}

var (
	_ Loader               = (*kernel)(nil)
	_ mprog.TrafficControl = (*kernel)(nil)
)

func (k *kernel) do(op mprog.Op, request any) error {
	return k.x.call(op, request).err
}

func fdOf(a answer) (uint32, error) {
	fd, _ := a.value.(uint32)
	return fd, a.err
}

func (k *kernel) ProgAttach(r mprog.AttachRequest) error { return k.do(mprog.OpProgAttach, r) }
func (k *kernel) ProgDetach(r mprog.DetachRequest) error { return k.do(mprog.OpProgDetach, r) }

func (k *kernel) ProgQuery(r mprog.QueryRequest) (mprog.QueryResult, error) {
	mine := r // its own arrays: the agent's are written when it is answered
	for _, array := range mine.Arrays() {
		if *array != nil {
			*array = make([]uint32, len(*array))
		}
	}
	a := k.x.call(mprog.OpProgQuery, mine)
	for i, array := range r.Arrays() {
		copy(*array, a.arrays[i])
	}
	res, _ := a.value.(mprog.QueryResult)
	return res, a.err
}

func (k *kernel) LinkCreate(r mprog.LinkCreateRequest) (uint32, error) {
	return fdOf(k.x.call(mprog.OpLinkCreate, r))
}
func (k *kernel) LinkUpdate(r mprog.LinkUpdateRequest) error { return k.do(mprog.OpLinkUpdate, r) }
func (k *kernel) LinkDetach(r mprog.LinkDetachRequest) error { return k.do(mprog.OpLinkDetach, r) }

func (k *kernel) ObjectInfo(fd uint32) (mprog.ObjectInfo, error) {
	a := k.x.call(mprog.OpObjectInfo, fd)
	info, _ := a.value.(mprog.ObjectInfo)
	return info, a.err
}

func (k *kernel) ProgFDByID(r mprog.IDRequest) (uint32, error) {
	return fdOf(k.x.call(mprog.OpProgFDByID, r))
}
func (k *kernel) LinkFDByID(r mprog.IDRequest) (uint32, error) {
	return fdOf(k.x.call(mprog.OpLinkFDByID, r))
}
func (k *kernel) ProgNextID(r mprog.IDRequest) (uint32, error) {
	return fdOf(k.x.call(mprog.OpProgNextID, r))
}
func (k *kernel) LinkNextID(r mprog.IDRequest) (uint32, error) {
	return fdOf(k.x.call(mprog.OpLinkNextID, r))
}
func (k *kernel) ObjPin(r mprog.PinRequest) error { return k.do(mprog.OpObjPin, r) }
func (k *kernel) ObjGet(r mprog.GetRequest) (uint32, error) {
	return fdOf(k.x.call(mprog.OpObjGet, r))
}
func (k *kernel) Command(r mprog.CommandRequest) error { return k.do(mprog.OpCommand, r) }
func (k *kernel) Unlink(path string) error             { return k.do(mprog.OpUnlink, path) }
func (k *kernel) Dup(fd uint32) (uint32, error)        { return fdOf(k.x.call(mprog.OpDup, fd)) }
func (k *kernel) Close(fd uint32) error                { return k.do(mprog.OpClose, fd) }
func (k *kernel) LoadProg(s mprog.ProgSpec) (uint32, error) {
	return fdOf(k.x.call(mprog.OpProgLoad, s))
}

func (k *kernel) QdiscAdd(r mprog.QdiscRequest) error      { return k.do(mprog.OpQdiscAdd, r) }
func (k *kernel) QdiscDelete(r mprog.QdiscRequest) error   { return k.do(mprog.OpQdiscDelete, r) }
func (k *kernel) FilterAdd(r mprog.FilterRequest) error    { return k.do(mprog.OpFilterAdd, r) }
func (k *kernel) FilterDelete(r mprog.FilterRequest) error { return k.do(mprog.OpFilterDelete, r) }
func (k *kernel) FilterList(h mprog.Hook) ([]mprog.Filter, error) {
	a := k.x.call(mprog.OpFilterList, h)
	list, _ := a.value.([]mprog.Filter)
	return list, a.err
}

// callers tells where in the code a call is made, so that goroutines are told apart, in
// every process alike.
func callers() uint64 {
	var pcs [24]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(4, pcs[:])])
	h := uint64(0)
	for {
		f, more := frames.Next()
		h = mix(h, hashString(f.Function)+uint64(f.Line))
		if !more {
			return h
		}
	}
}
