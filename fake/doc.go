// Package fake is a Linux kernel in memory, as far as attaching BPF programs to
// netkit and tcx hooks goes:
//
//	k := fake.New()
//	nk0, _, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"})
//	prog, err := k.LoadProg(mprog.ProgSpec{Name: "a"})
//	err = k.ProgAttach(mprog.AttachRequest{TargetIfindex: nk0, AttachFD: prog, AttachType: mprog.NetkitPrimary})
//
// It answers with the errno, the order and the revisions that a kernel answers
// with, and says which rule refused: every refusal is an [*mprog.Error] whose
// Rule is one of [Rules].
//
// The package is meant to be read as a specification. mprog.go holds the
// algorithm of kernel/bpf/mprog.c; netkit.go and tcx.go hold what the two kinds
// of hooks add to it; objects.go and process.go hold programs, links, their ids
// and fds; prog.go, link.go, info.go, id.go, pin.go and command.go hold the bpf(2)
// commands, each with its checks in the kernel's order; attr.go holds the checks
// of the bytes handed over; packet.go holds what runs; release.go holds what
// differs between versions; rules.go lists every refusal with its source,
// behaviours.go what is done otherwise.
//
// # Tests
//
// [NewT] makes a machine for a test, which fails when it leaves anything behind,
// and prints its calls as a trace when it fails: a scenario that real kernels can
// play. [Kernel.Hook] tells a hook's state in a line,
//
//	k.Hook(nk0, mprog.NetkitPrimary).String() // "revision 4 [b@l1 a]"
//
// [Kernel.Before] and [Kernel.After] come between two calls of the code under
// test: to [Fail] one of them, to hold it up at a [Gate], or to act as a [Rival]
// that attaches, replaces, detaches or deletes the device. [Linux], [With] and
// [Without] choose the kernel. [Kernel.Observe] tells of every call with the checks
// that it passed.
//
// # Numbers
//
// Everything is determined by the calls made: fds count up from 3, ids of
// programs and of links each from 1, ifindexes from 2 (1 is lo). No number is
// used twice. That differs from a real kernel for fds alone, where the lowest
// free number is taken, so that on the fake an fd used after close is EBADF and
// never somebody else's object. Fds 0, 1 and 2 are open, and not BPF objects.
package fake
