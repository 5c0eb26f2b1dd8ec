package sim

import (
	"fmt"

	"github.com/nkconform/nkconform/mprog"
)

// FDInfo is what /proc/PID/fdinfo/FD says of the object, behind what it says of
// every file; see bpf_prog_show_fdinfo, bpf_map_show_fdinfo and
// bpf_link_show_fdinfo.
func (o *Object) FDInfo() string {
	s := o.sim
	s.mu.Lock()
	defer s.mu.Unlock()
	switch o.Kind {
	case Prog:
		return s.progFDInfo(o)
	case Map:
		return o.m.fdInfo()
	case Link:
		return s.linkFDInfo(o)
	case BTF:
		return fmt.Sprintf("btf_id:\t%d\n", o.b.id)
	}
	return ""
}

// ReadOnly reports whether the fd of such an object is O_RDONLY, as those of links
// and BTF are, and a map's that is opened so.
func (o *Object) ReadOnly() bool {
	return o.Kind == Link || o.Kind == BTF || o.Kind == Stats || o.only&readOnly != 0
}

func (s *Sim) progFDInfo(o *Object) string {
	p := s.programs[o.ID]
	if p == nil {
		p = &program{}
	}
	pages := (len(p.insns) + progStruct + pageSize - 1) / pageSize
	return fmt.Sprintf("prog_type:\t%d\nprog_jited:\t1\nprog_tag:\t%x\nmemlock:\t%d\nprog_id:\t%d\nrun_time_ns:\t0\nrun_cnt:\t0\n"+
		"recursion_misses:\t0\nverified_insns:\t%d\n", p.typ, p.tag, pages*pageSize, o.ID, len(p.insns)/insnSize)
}

const progStruct = 72 // sizeof(struct bpf_prog), without instructions

func (m *bpfMap) fdInfo() string {
	frozen := 0
	if m.frozen {
		frozen = 1
	}
	text := fmt.Sprintf("map_type:\t%d\nkey_size:\t%d\nvalue_size:\t%d\nmax_entries:\t%d\nmap_flags:\t%s\nmap_extra:\t%s\nmemlock:\t%d\nmap_id:\t%d\nfrozen:\t%d\n",
		m.typ, m.keySize, m.valueSize, m.entries, alternate(uint64(m.flags)), alternate(m.extra), m.memlock(), m.id, frozen)
	if m.owner != nil {
		text += fmt.Sprintf("owner_prog_type:\t%d\nowner_jited:\t1\n", m.owner.typ)
	}
	return text
}

// alternate is printf's %#llx of a kernel, in which 0 has the prefix, too.
func alternate(n uint64) string { return fmt.Sprintf("%#x", n) }

// memlock is the type's map_mem_usage function, with the sizes of Linux 6.18, as
// measured there.
func (m *bpfMap) memlock() uint64 {
	entries, cpus := uint64(m.entries), uint64(m.sim.cpus)
	key, value := uint64(round8(m.keySize)), uint64(round8(m.valueSize))
	buckets := powerOf2(m.entries)
	const array, hash, element, bucket, pointer = 312, 896, 48, 16, 8
	switch m.typ {
	case arrayMap:
		return array + entries*value
	case progArray, perfEventArray, cgroupArray, arrayOfMaps:
		return array + entries*pointer
	case perCPUArray:
		return array + entries*(pointer+value*cpus)
	case hashMap, hashOfMaps:
		if m.flags&noPrealloc != 0 {
			return hash + bucket*buckets + uint64(len(m.elements.values))*(element+key+value)
		}
		return hash + bucket*buckets + (entries+cpus)*(element+key+value) + pointer*cpus
	case lruHash:
		return hash + bucket*buckets + entries*(element+key+value)
	case perCPUHash, lruPerCPUHash:
		used := entries
		if m.flags&noPrealloc != 0 {
			used = uint64(len(m.elements.values))
		}
		return hash + bucket*buckets + used*(element+key+pointer+value*cpus)
	case queueMap, stackMap:
		return array + (entries+1)*uint64(m.valueSize)
	case devMap:
		return 344 + entries*pointer
	case ringBuffer, userRingBuffer:
		return 3*pageSize + entries + 344
	}
	return 0
}

// powerOf2 rounds up to one.
func powerOf2(n uint32) uint64 {
	p := uint64(1)
	for p < uint64(n) {
		p *= 2
	}
	return p
}

func (s *Sim) linkFDInfo(o *Object) string {
	info, err := s.holder.ObjectInfo(o.held)
	if err != nil {
		return ""
	}
	var tag [8]byte
	if p := s.programs[info.ProgID]; p != nil {
		tag = p.tag
	}
	about := func(kind string) string {
		return fmt.Sprintf("link_type:\t%s\nlink_id:\t%d\nprog_tag:\t%x\nprog_id:\t%d\n", kind, info.ID, tag, info.ProgID)
	}
	if l := s.inert[o.ID]; l != nil {
		if l.kind == structOpsLink {
			return l.opsFDInfo()
		}
		text := about(l.kind.name)
		if l.kind.number == netfilterLink.number {
			text += fmt.Sprintf("pf:\t%d\thooknum:\t%d\tprio:\t%d\n", l.filter[0], l.filter[1], l.filter[2])
		}
		return text
	}
	switch info.LinkType {
	case mprog.NetkitLink, mprog.TCXLink:
		kind := "netkit"
		if info.LinkType == mprog.TCXLink {
			kind = "tcx"
		}
		return about(kind) + fmt.Sprintf("ifindex:\t%d\nattach_type:\t%d (%s)\n", info.Ifindex, info.AttachType, info.AttachType)
	case mprog.XDPLink:
		return about("xdp") + fmt.Sprintf("ifindex:\t%d\n", info.Ifindex)
	}
	return about("<unknown>")
}
