package sim

import "github.com/nkconform/nkconform/mprog"

// owner is what the programs of a prog_array have in common (struct bpf_map_owner):
// the first that uses it, or is put into it, decides.
type owner struct {
	typ    uint32
	attach uint32 // expected_attach_type
	xdp    bool   // its packets may have fragments (xdp_has_frags)
	// proto is the id of the function that programs of tracing are for.
	proto uint32
}

const xdpFragments = 1 << 5 // BPF_F_XDP_HAS_FRAGS

// own is bpf_prog_map_compatible, as Linux 6.12.118, 6.18 and 7.3 have it: older ones
// do not compare attach types.
func (k *call) own(m *bpfMap, p *program) error {
	if p == nil {
		return nil
	}
	if p.typ == progExt {
		return refuse("map/owner", mprog.EINVAL, "no prog_array takes programs of type ext")
	}
	mine := owner{typ: p.typ, attach: p.attach, xdp: p.flags&xdpFragments != 0}
	if p.typ == progTracing || p.typ == progLSM || p.typ == progStructOps {
		mine.proto = p.attachBTF
	}
	if m.owner == nil {
		m.owner = &mine
		return nil
	}
	if *m.owner != mine {
		return refuse("map/owner", mprog.EINVAL, "the map's programs are of type %d for attach type %d, this one is of type %d for attach type %d",
			m.owner.typ, m.owner.attach, p.typ, p.attach)
	}
	return nil
}
