package mprog

// Process is a caller of bpf(2): fds, capabilities and a network namespace of
// its own. Devices are looked up in its namespace.
type Process interface {
	Kernel
	// Exit ends the process: its fds are closed.
	Exit() error
}

// ProcessSpec describes a process to start. It inherits the fds that the
// environment's first process has open, as after fork(2).
type ProcessSpec struct {
	Without []Capability // dropped; all others are held
	Netns   Netns        // the namespace it lives in
}

// Netns is a network namespace of an environment; 0 is the first process's.
type Netns uint32

// Capability is the number of a capability (include/uapi/linux/capability.h).
type Capability uint8

// The capabilities that the modelled calls ask for.
const (
	CapNetAdmin Capability = 12 // CAP_NET_ADMIN
	CapSysAdmin Capability = 21 // CAP_SYS_ADMIN; holding it implies CAP_BPF
	CapPerfmon  Capability = 38 // CAP_PERFMON
	CapBPF      Capability = 39 // CAP_BPF
)

var capabilityNames = map[Capability]string{
	CapNetAdmin: "net_admin", CapSysAdmin: "sys_admin", CapPerfmon: "perfmon", CapBPF: "bpf",
}

// String returns the name without CAP_, in lower case.
func (c Capability) String() string { return capabilityNames[c] }

// ParseCapability is the inverse of [Capability.String].
func ParseCapability(s string) (Capability, bool) {
	for c, name := range capabilityNames {
		if s == name {
			return c, true
		}
	}
	return 0, false
}
