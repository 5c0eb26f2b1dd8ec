//go:build linux

// Helpers writes which helpers programs of each type may call on the running
// kernel, as package sim has it for each release:
//
//	CGO_ENABLED=0 go build -o /tmp/helpers ./internal/helpers
//	nkconform vm debian:6.12 -- /tmp/helpers >intercept/sim/helpers/6.12
//
// It needs root. Each line is a program type and the numbers of its helpers: all that
// one of its attach types permits, and, behind a slash and its number, those of each
// attach type that permits less. Types that need BTF of what they attach to are left
// out.
package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// programType is one of enum bpf_prog_type, with attach types to try.
type programType struct {
	name   string
	number uint32
	attach []uint32
	flags  uint32
}

const sleepable = 1 << 4 // BPF_F_SLEEPABLE

var types = []programType{
	{name: "socket_filter", number: 1}, {name: "kprobe", number: 2}, {name: "sched_cls", number: 3}, {name: "sched_act", number: 4},
	{name: "tracepoint", number: 5}, {name: "xdp", number: 6}, {name: "perf_event", number: 7}, {name: "cgroup_skb", number: 8},
	{name: "cgroup_sock", number: 9, attach: []uint32{0, 2, 12, 13, 34}}, {name: "lwt_in", number: 10}, {name: "lwt_out", number: 11},
	{name: "lwt_xmit", number: 12}, {name: "sock_ops", number: 13}, {name: "sk_skb", number: 14}, {name: "cgroup_device", number: 15},
	{name: "sk_msg", number: 16}, {name: "raw_tracepoint", number: 17},
	{name: "cgroup_sock_addr", number: 18, attach: []uint32{8, 9, 10, 11, 14, 15, 19, 20, 29, 30, 31, 32, 49, 50, 51, 52, 53}},
	{name: "lwt_seg6local", number: 19}, {name: "sk_reuseport", number: 21, attach: []uint32{39, 40}}, {name: "flow_dissector", number: 22},
	{name: "cgroup_sysctl", number: 23}, {name: "raw_tracepoint_writable", number: 24}, {name: "cgroup_sockopt", number: 25, attach: []uint32{21, 22}},
	{name: "sk_lookup", number: 30, attach: []uint32{36}}, {name: "syscall", number: 31, flags: sleepable}, {name: "netfilter", number: 32, attach: []uint32{45}},
}

// answer is what the verifier says of a call.
type answer uint8

const (
	permitted answer = iota
	refused          // to programs of the type
	unknown          // to all
	licensed         // to programs of another license
	unloaded         // programs of the type do not get to the verifier
)

// words are what the verifier says to a helper that there is not, and to one of
// other types, before the helper's name and number.
var words = map[answer]string{}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "helpers:", err)
		os.Exit(1)
	}
}

func run() error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fmt.Errorf("uname: %w", err)
	}
	fmt.Printf("# Helpers of Linux %s, written by internal/helpers.\n", unix.ByteSliceToString(u.Release[:]))
	count := uint32(1)
	for probe(types[2], 0, count, "GPL") != unknown {
		count++
	}
	fmt.Printf("count: %d\n", count)
	gpl := make([]bool, count)
	for _, t := range types {
		if len(t.attach) == 0 {
			t.attach = []uint32{0}
		}
		may := make([]bool, count)
		loads := false
		var lists []string // of each attach type
		for _, attach := range t.attach {
			with := make([]bool, count)
			for number := uint32(1); number < count; number++ {
				switch probe(t, attach, number, "GPL") {
				case permitted:
					may[number], with[number], loads = true, true, true
					gpl[number] = gpl[number] || probe(t, attach, number, "") == licensed
				case refused:
					loads = true
				}
			}
			lists = append(lists, ranges(with))
		}
		if !loads {
			continue
		}
		fmt.Printf("%s: %s\n", t.name, ranges(may))
		for i, attach := range t.attach {
			if lists[i] != ranges(may) {
				fmt.Printf("%s/%d: %s\n", t.name, attach, lists[i])
			}
		}
	}
	fmt.Printf("gpl: %s\n", ranges(gpl))
	fmt.Printf("says of none: %s\n", words[unknown])
	fmt.Printf("says of others: %s\n", words[refused])
	return nil
}

// probe asks the verifier for a program that calls a helper without arguments.
func probe(t programType, attach, number uint32, license string) answer {
	insns := make([]byte, 24)
	insns[0] = 0x85 // call
	*(*uint32)(unsafe.Pointer(&insns[4])) = number
	insns[8], insns[16] = 0xb7, 0x95 // r0 = 0, exit
	log := make([]byte, 4096)
	name := append([]byte(license), 0)
	attr := struct {
		typ, count            uint32
		insns, license        uint64
		level, size           uint32
		log                   uint64
		version, flags        uint32
		name                  [16]byte
		ifindex, expectAttach uint32
	}{
		typ: t.number, count: 3, insns: address(insns), license: address(name), level: 1, size: uint32(len(log)), log: address(log),
		flags: t.flags, expectAttach: attach,
	}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, 5, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	for errno == unix.EAGAIN { // a signal has come
		fd, _, errno = unix.Syscall(unix.SYS_BPF, 5, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	}
	if int(fd) >= 0 {
		_ = unix.Close(int(fd)) // it was only to be loaded
		return permitted
	}
	text, _, _ := bytes.Cut(log, []byte{0})
	for line := range bytes.Lines(text) {
		for begin, what := range map[string]answer{
			"invalid func ": unknown, "unknown func ": refused, "program of this type cannot use helper ": refused,
		} {
			if bytes.HasPrefix(line, []byte(begin)) {
				words[what] = begin
				return what
			}
		}
	}
	switch {
	case bytes.Contains(text, []byte("GPL-restricted")):
		return licensed
	case len(text) == 0:
		return unloaded
	}
	return permitted // its arguments are not
}

func address(p []byte) uint64 { return uint64(uintptr(unsafe.Pointer(&p[0]))) }

// ranges lists the numbers that are set.
func ranges(set []bool) string {
	var list []string
	for i := 0; i < len(set); i++ {
		if !set[i] {
			continue
		}
		from := i
		for i+1 < len(set) && set[i+1] {
			i++
		}
		if from == i {
			list = append(list, fmt.Sprint(i))
		} else {
			list = append(list, fmt.Sprintf("%d-%d", from, i))
		}
	}
	return strings.Join(list, " ")
}
