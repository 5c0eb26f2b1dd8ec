//go:build linux

// Probes writes which types of programs and maps the running kernel has, as package
// sim has it for each release:
//
//	CGO_ENABLED=0 go build -o /tmp/probes ./internal/probes
//	nkconform vm debian:6.12 -- /tmp/probes >intercept/sim/types/6.12
//
// It needs root. The lines are, with numbers of attach types, of errnos, or of map
// types:
//
//	load TYPE: attach types with which the verifier sees a program of the type
//	sleepable TYPE: those of them with which it may be sleepable
//	target TYPE: those with which the program must name a type of the kernel's BTF
//	one TYPE: those with which it must return 1
//	says of sleepable: what the verifier says to others
//	maps: types that there are
//	map TYPE: the errno of another type, of whatever shape, if it is not EINVAL
package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// progTypes are the names of enum bpf_prog_type, from 1 on.
var progTypes = strings.Fields(`socket_filter kprobe sched_cls sched_act tracepoint xdp perf_event cgroup_skb
cgroup_sock lwt_in lwt_out lwt_xmit sock_ops sk_skb cgroup_device sk_msg raw_tracepoint cgroup_sock_addr lwt_seg6local
lirc_mode2 sk_reuseport flow_dissector cgroup_sysctl raw_tracepoint_writable cgroup_sockopt tracing struct_ops ext lsm
sk_lookup syscall netfilter`)

const (
	attachTypes = 66      // more than there are
	mapTypes    = 40      // likewise
	sleepable   = 1 << 4  // BPF_F_SLEEPABLE
	mmapable    = 1 << 10 // BPF_F_MMAPABLE
	noPrealloc  = 1 << 0  // BPF_F_NO_PREALLOC
	notSupp     = 524     // ENOTSUPP
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "probes:", err)
		os.Exit(1)
	}
}

func run() error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fmt.Errorf("uname: %w", err)
	}
	fmt.Printf("# Types of programs and maps of Linux %s, written by internal/probes.\n", unix.ByteSliceToString(u.Release[:]))
	words := ""
	for i, name := range progTypes {
		var seen, sleeps, target, one [attachTypes]bool
		for attach := range attachTypes {
			errno, log := load(i+1, attach, 0, 0)
			switch {
			case errno == unix.EINVAL && log == "":
				continue
			case strings.Contains(log, "must provide btf_id"):
				target[attach] = true
			case strings.Contains(log, "in [1, 1]"), strings.Contains(log, "in (0x1; 0x0)"):
				one[attach] = true
			}
			seen[attach] = true
			errno, log = load(i+1, attach, sleepable, 1)
			if first, _, found := strings.Cut(log, "\n"); found && strings.Contains(first, "sleepable") {
				words = first
			} else if errno == 0 || errno == notSupp || strings.Contains(log, "must provide btf_id") || strings.Contains(log, "in [0, 0]") {
				sleeps[attach] = true
			}
		}
		print("load "+name, seen[:])
		print("sleepable "+name, sleeps[:])
		print("target "+name, target[:])
		print("one "+name, one[:])
	}
	fmt.Printf("says of sleepable: %s\n", words)
	var there [mapTypes]bool
	errnos := map[int]unix.Errno{}
	for typ := 1; typ < mapTypes; typ++ {
		switch errno := best(uint32(typ)); errno {
		case 0:
			there[typ] = true
		case unix.EINVAL:
		default:
			errnos[typ] = errno
		}
	}
	print("maps", there[:])
	for typ := range mapTypes {
		if errnos[typ] != 0 {
			fmt.Printf("map %d: %d\n", typ, errnos[typ])
		}
	}
	return nil
}

// load loads a program that returns a number, of a license that is compatible.
func load(typ, attach int, flags uint32, r0 byte) (unix.Errno, string) {
	insns := []byte{0xb7, 0, 0, 0, r0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0}
	log := make([]byte, 8192)
	license := []byte("GPL\x00")
	attr := struct {
		typ, count            uint32
		insns, license        uint64
		level, size           uint32
		log                   uint64
		version, flags        uint32
		name                  [16]byte
		ifindex, expectAttach uint32
	}{
		typ: uint32(typ), count: 2, insns: address(insns), license: address(license), level: 1, size: uint32(len(log)), log: address(log),
		flags: flags, expectAttach: uint32(attach),
	}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, 5, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	for errno == unix.EAGAIN { // a signal has come
		fd, _, errno = unix.Syscall(unix.SYS_BPF, 5, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	}
	if int(fd) >= 0 {
		_ = unix.Close(int(fd)) // it was only to be loaded
		return 0, ""
	}
	text, _, _ := bytes.Cut(log, []byte{0})
	return errno, string(text)
}

// best is the errno of the shape of a map that goes furthest. That of types whose
// values need BTF is that of a bad fd, which shows that the type is known.
func best(typ uint32) unix.Errno {
	key := []uint32{0, 4, 8, 16}
	value := []uint32{0, 4, 8, 16}
	result := unix.EINVAL
	for _, k := range key {
		for _, v := range value {
			for _, entries := range []uint32{0, 1, 4096} {
				for _, flags := range []uint32{0, noPrealloc, mmapable} {
					for _, described := range []bool{false, true} {
						errno := create(typ, k, v, entries, flags, described)
						if errno == unix.EBADF {
							errno = 0
						}
						if errno == 0 || result == unix.EINVAL {
							result = errno
						}
					}
				}
			}
		}
	}
	return result
}

func create(typ, key, value, entries, flags uint32, described bool) unix.Errno {
	attr := struct {
		typ, key, value, entries, flags, inner, numa uint32
		name                                         [16]byte
		ifindex, btf, keyType, valueType, vmlinux    uint32
		extra                                        uint64
	}{typ: typ, key: key, value: value, entries: entries, flags: flags, inner: 1<<32 - 1}
	if described {
		attr.btf, attr.keyType, attr.valueType = 1<<32-1, 1, 1
		if typ == 26 { // BPF_MAP_TYPE_STRUCT_OPS
			attr.btf, attr.keyType, attr.valueType, attr.vmlinux = 0, 0, 0, 1
		}
	}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, 0, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if int(fd) >= 0 {
		_ = unix.Close(int(fd)) // it was only to be made
		return 0
	}
	return errno
}

func address(p []byte) uint64 { return uint64(uintptr(unsafe.Pointer(&p[0]))) }

// print prints the numbers that are set, as ranges; nothing if none is.
func print(name string, set []bool) {
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
	if len(list) > 0 {
		fmt.Printf("%s: %s\n", name, strings.Join(list, " "))
	}
}
