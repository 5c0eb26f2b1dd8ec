// Package ciliumebpf is the running kernel as seen through the Go library
// cilium/ebpf: what the suite finds here and not on the bare kernel is the
// library's doing. What its API cannot say is unsupported.
//
// The version under test is the one that the build selects. Another one:
//
//	go test -modfile adapter/ciliumebpf/v0.21.mod ./adapter/ciliumebpf
package ciliumebpf
