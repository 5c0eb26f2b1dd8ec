// Package mprog is the vocabulary of attaching BPF programs to netkit and tcx
// hooks, and to those of cgroups: requests, results and errors as plain values, and the interface
// [Kernel] of everything that answers them.
//
// Requests mirror union bpf_attr field by field, with file descriptors and ids
// as bare numbers, so that every malformed request can be written down. Sources
// name the file and function of the Linux kernel that decides.
package mprog
