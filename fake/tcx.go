package fake

import "github.com/nkconform/nkconform/mprog"

// tcxEntry is a tcx hook's storage, which exists only while something uses it.
type tcxEntry struct {
	hook
	live bool
}

// tcxDevice finds the device of a tcx hook; any will do (tcx_prog_attach).
func (p *Process) tcxDevice(ifindex uint32) (*device, error) {
	d := p.net.devices[ifindex]
	if d == nil {
		return nil, refuse(deviceNone, "no device has ifindex %d", ifindex)
	}
	return d, nil
}

// tcxEntry returns the hook's entry, if need be a new one, whose revision is 1
// (tcx_entry_fetch, tcx_entry_fetch_or_create).
func (d *device) tcxEntry(at mprog.AttachType, create bool) *hook {
	e := &d.tcx[at-mprog.TCXIngress]
	if !e.live {
		if !create {
			return nil
		}
		e.live, e.revision = true, 1
	}
	return &e.hook
}

// tcxUpdate frees an entry without programs: one that lost its last, and one
// made for a program that was then refused (tcx_entry_is_active,
// tcx_entry_free).
func (d *device) tcxUpdate(at mprog.AttachType) {
	e := &d.tcx[at-mprog.TCXIngress]
	e.live = e.count > 0
}
