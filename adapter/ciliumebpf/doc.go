// Package ciliumebpf is the running kernel as seen through the Go library
// cilium/ebpf: what the suite finds here and not on the bare kernel is the
// library's doing. What its API cannot say is unsupported.
//
// The version under test is the one that the build selects: the least that nkconform
// works with, or, with a file of requirements of its own, the newest:
//
//	go test ./adapter/ciliumebpf
//	go test -modfile adapter/ciliumebpf/newest.mod ./adapter/ciliumebpf
package ciliumebpf
