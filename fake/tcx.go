package fake

import "github.com/nkconform/nkconform/mprog"

// tcxDevice finds the device of a tcx hook; any will do (tcx_prog_attach).
func (p *Process) tcxDevice(ifindex uint32) (*device, error) {
	d := p.net.devices[ifindex]
	if d == nil {
		return nil, refuse(deviceNone, "no device has ifindex %d", ifindex)
	}
	p.passed(deviceNone, uint64(ifindex), 0)
	return d, nil
}

// tcxEntry returns a hook's entry (tcx_entry_fetch, tcx_entry_fetch_or_create).
// It exists only while something uses it, a program or a qdisc (tcx_entry_is_active,
// tcx_entry_free): otherwise the next program to be attached finds a new entry at
// revision 1.
func (d *device) tcxEntry(at mprog.AttachType, create bool) *hook {
	h := &d.tcx[at-mprog.TCXIngress]
	if h.count == 0 && !d.qdisc.keeps(at) {
		if !create {
			return nil
		}
		h.revision = 1
	}
	return h
}
