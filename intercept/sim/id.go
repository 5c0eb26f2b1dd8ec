package sim

import (
	"math"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// idRequest decodes BPF_*_GET_FD_BY_ID and BPF_*_GET_NEXT_ID; end is where the
// command's last field ends.
func (k *call) idRequest(end uint32) mprog.IDRequest {
	r := mprog.IDRequest{ID: k.u32(0), OpenFlags: k.u32(8)}
	if at := nonzero(k.attr, end, min(k.size, attrEnd)); at < min(k.size, attrEnd) {
		r.Shape = mprog.Shape{Size: k.size, Junk: at}
	}
	tell(k, r)
	return r
}

func (k *call) progNextID() error { return k.fakeNextID((*fake.Process).ProgNextID) }

func (k *call) linkNextID() error { return k.fakeNextID((*fake.Process).LinkNextID) }

func (k *call) fakeNextID(next func(*fake.Process, mprog.IDRequest) (uint32, error)) error {
	p := k.standIn(k.caller)
	id, err := next(p, k.idRequest(8))
	if err != nil {
		return err
	}
	return k.put(4, id)
}

func (k *call) progByID() error { return k.fakeByID((*fake.Process).ProgFDByID) }

func (k *call) linkByID() error { return k.fakeByID((*fake.Process).LinkFDByID) }

func (k *call) fakeByID(open func(*fake.Process, mprog.IDRequest) (uint32, error)) error {
	p := k.standIn(k.caller)
	fd, err := open(p, k.idRequest(4))
	if err != nil {
		return err
	}
	return k.give(p, fd)
}

func (k *call) mapNextID() error { return nextID(k, &k.maps) }

func (k *call) btfNextID() error { return nextID(k, &k.btfs) }

// nextID is bpf_obj_get_next_id.
func nextID[T any](k *call, r *registry[T]) error {
	start := k.u32(0)
	if start >= math.MaxInt32 {
		return refuse("id/range", mprog.EINVAL, "start_id %d", start)
	}
	if err := k.needSysAdmin(); err != nil {
		return err
	}
	id := r.next(start)
	if id == 0 {
		return refuse("id/last", mprog.ENOENT, "no id is above %d", start)
	}
	return k.put(4, id)
}

func (k *call) mapByID() error {
	id, flags := k.u32(0), k.u32(8)
	if flags&^getFlags != 0 {
		return refuse("id/open-flags", mprog.EINVAL, "open_flags %#x", flags)
	}
	if err := k.needSysAdmin(); err != nil {
		return err
	}
	m := k.maps.byID[id]
	if m == nil {
		return refuse("id/none", mprog.ENOENT, "no map has id %d", id)
	}
	if flags&getFlags == getFlags {
		return refuse("id/open-flags", mprog.EINVAL, "read-only and write-only")
	}
	m.refs++
	k.New = m.object(flags)
	return nil
}

func (k *call) btfByID() error {
	id := k.u32(0)
	if err := k.needSysAdmin(); err != nil {
		return err
	}
	b := k.btfs.byID[id]
	if b == nil {
		return refuse("id/none", mprog.ENOENT, "no BTF has id %d", id)
	}
	b.refs++
	k.New = b.object()
	return nil
}

func (k *call) needSysAdmin() error {
	if !k.caller.Capable(mprog.CapSysAdmin) {
		return refuse("capability/sys-admin", mprog.EPERM, "the caller lacks CAP_SYS_ADMIN")
	}
	return nil
}
