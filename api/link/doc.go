// Package link has the shape of cilium/ebpf's package link, as far as netkit and
// tcx go, on any [mprog.Kernel]: code written against that library runs on the
// simulated kernel after its import path is changed and a kernel is handed in.
//
//	k := fake.New()
//	nk0, _, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"})
//	prog, err := link.NewProgram(k, mprog.ProgSpec{Name: "mine"})
//	l, err := link.AttachNetkit(k, link.NetkitOptions{
//		Interface: int(nk0), Program: prog, Attach: ebpf.AttachNetkitPrimary, Anchor: link.Head(),
//	})
//
// Attach types, ids and sentinel errors are that library's own types and values,
// and behaviour follows v0.22.0 of it: what it refuses in front of the kernel
// is refused here, what it hands on is handed on, and what becomes of an errno
// is the same. The tests of this package make the same calls through both, on
// the same kind of hook.
//
// # What differs
//
//   - A [Program] is an fd on a kernel. It has no instructions.
//   - Nothing is closed by the garbage collector: a forgotten link stays attached.
//     That library closes what it finds unreachable, which detaches it at a
//     time that nobody can foresee.
//   - Support is probed after each refusal that may be for lack of it, not
//     once in the life of the process, and never by loading a program. Without the
//     right to load programs that library takes every refusal of an attach for a
//     lack of support.
//   - Moving a pin to another path is two steps, not one.
package link
