// Package sim answers bpf(2) as programs hand it to a kernel: a number of a
// command, an address, a size. What concerns netkit and tcx hooks is answered by
// package fake; maps, BTF, program loads and the like are answered as far as
// libraries need it to get there. No program is verified, and none is run.
//
// How a caller's memory, fds and files are reached is left to a [Caller], so
// that the package works, and is tested, on every system.
package sim
