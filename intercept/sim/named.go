package sim

import "github.com/nkconform/nkconform/mprog"

// requestFDs are the fds that a call's request names, and the kernel looks up.
func requestFDs(op mprog.Op, request any) []uint32 {
	switch r := request.(type) {
	case mprog.AttachRequest:
		return attachFDs(&r)
	case mprog.DetachRequest:
		return detachFDs(&r)
	case mprog.LinkCreateRequest:
		return linkFDs(&r)
	case mprog.LinkUpdateRequest:
		return updateFDs(&r)
	case mprog.LinkDetachRequest:
		return []uint32{r.LinkFD}
	case mprog.PinRequest:
		return []uint32{r.FD}
	case uint32:
		if op == mprog.OpClose || op == mprog.OpDup || op == mprog.OpObjectInfo {
			return []uint32{r}
		}
	}
	return nil
}

func attachFDs(r *mprog.AttachRequest) []uint32 {
	fds := append(relativeFDs(r.Flags, r.Relative), r.AttachFD)
	if r.ReplaceFD != 0 || r.Flags&mprog.Replace != 0 {
		fds = append(fds, r.ReplaceFD)
	}
	return fds
}

func detachFDs(r *mprog.DetachRequest) []uint32 {
	fds := relativeFDs(r.Flags, r.Relative)
	if r.AttachFD != 0 {
		fds = append(fds, r.AttachFD)
	}
	return fds
}

func linkFDs(r *mprog.LinkCreateRequest) []uint32 {
	return append(relativeFDs(r.Flags, r.Relative), r.ProgFD)
}

func updateFDs(r *mprog.LinkUpdateRequest) []uint32 {
	fds := append(make([]uint32, 0, 3), r.LinkFD, r.NewProgFD)
	if r.OldProgFD != 0 || r.Flags&mprog.Replace != 0 {
		fds = append(fds, r.OldProgFD)
	}
	return fds
}

// relativeFDs returns the fd by which a relative object is named, if one is
// (bpf_mprog_tuple_relative).
func relativeFDs(flags mprog.Flags, relative uint32) []uint32 {
	fds := make([]uint32, 0, 3)
	if flags&mprog.ID != 0 || relative == 0 && flags&mprog.Link == 0 {
		return fds
	}
	return append(fds, relative)
}
