// Package reproducer says traces in C: a program of one file that needs no library,
// makes a trace's calls with bpf(2) and rtnetlink, and checks its answers. It is what a
// kernel developer takes.
//
// The program prints TAP and exits with 0, 1, 2 where it cannot run, or, as the
// kernel's own tests do, 4 where the kernel lacks what the trace needs.
package reproducer
