package mprog

// XDPRequest is IFLA_XDP of a request of rtnetlink: what becomes of a device's XDP
// program that no link has.
type XDPRequest struct {
	Ifindex  uint32
	FD       int32  // IFLA_XDP_FD: the program; below 0: none, the one that is there goes
	Expected *int32 // IFLA_XDP_EXPECTED_FD, below 0 for no program; nil: there is no such attribute
	Flags    Flags  // IFLA_XDP_FLAGS: XDPAbsent and so on
}

// OpXDPSet is RTM_SETLINK with IFLA_XDP.
const OpXDPSet Op = "xdp set"

// Flags of [XDPRequest], and the modes also of links (XDP_FLAGS_*,
// include/uapi/linux/if_link.h).
const (
	XDPAbsent   Flags = 1 << 0 // UPDATE_IF_NOEXIST: refused where there is a program
	XDPGeneric  Flags = 1 << 1 // SKB_MODE
	XDPDriver   Flags = 1 << 2 // DRV_MODE
	XDPHardware Flags = 1 << 3 // HW_MODE
	XDPReplace  Flags = 1 << 4 // REPLACE: the expected program is in place
)

// XDPInfo is a device's IFLA_XDP as it is listed.
type XDPInfo struct {
	ProgID uint32 // 0: there is no program
	Driver bool   // the driver runs it; else it is generic
}
