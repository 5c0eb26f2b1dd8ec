package fake

import "github.com/nkconform/nkconform/mprog"

// capabilities is a set of capabilities, by their numbers.
type capabilities uint64

const allCapabilities = ^capabilities(0)

func (c capabilities) has(n mprog.Capability) bool { return c>>n&1 != 0 }

func (c capabilities) without(list []mprog.Capability) capabilities {
	for _, n := range list {
		c &^= 1 << n
	}
	return c
}

// netAdmin reports whether the process may administer the network; who may do
// everything may that, too (bpf_net_capable).
func (p *Process) netAdmin() bool { return p.either(mprog.CapNetAdmin) }

// mayQuery checks the capability that a query takes, which is CAP_NET_ADMIN itself
// on older releases.
func (p *Process) mayQuery() error {
	switch {
	case p.caps.has(mprog.CapNetAdmin):
		return nil
	case !p.kernel.release.adminReads:
		return refuse(needNetAdmin, "the caller lacks CAP_NET_ADMIN")
	case !p.caps.has(mprog.CapSysAdmin):
		return refuse(needNetAdmin, "the caller lacks CAP_NET_ADMIN and CAP_SYS_ADMIN")
	}
	return nil
}

// either is bpf_token_capable without a token: CAP_SYS_ADMIN stands for the
// capabilities that were split off from it.
func (p *Process) either(n mprog.Capability) bool {
	return p.caps.has(n) || p.caps.has(mprog.CapSysAdmin)
}

// mayLoad checks the capabilities that loading a program takes
// (bpf_prog_load). Unprivileged processes load nothing, as it is by default
// (kernel.unprivileged_bpf_disabled).
func (p *Process) mayLoad(t mprog.ProgType) error {
	if err := p.mayMake(); err != nil {
		return err
	}
	if t != mprog.SocketFilter && t != mprog.CgroupSKB && !p.either(mprog.CapNetAdmin) {
		return refuse(loadNetAdmin, "the caller lacks CAP_NET_ADMIN and CAP_SYS_ADMIN")
	}
	return nil
}

// mayMake checks the capability that making programs, maps and BTF takes.
func (p *Process) mayMake() error {
	if !p.either(mprog.CapBPF) {
		return refuse(needBPF, "the caller lacks CAP_BPF and CAP_SYS_ADMIN")
	}
	return nil
}
