//go:build amd64 || arm64

package doctor

// Checks are all that needs nothing but this package.
var Checks = []Check{
	{"root", "root's capabilities", "the running kernel", tryRoot},
	{"bpf", "load a BPF program", "the running kernel", tryBPF},
	{"tcx", "attach it to a tcx hook", "the running kernel: scenarios of tcx", tryTCX},
	{"netkit", "attach it to a netkit device", "the running kernel: scenarios of netkit", tryNetkit},
	{"cgroup2", "make a cgroup", "the running kernel: programs of cgroups", tryCgroup},
	{"seccomp", "answer a program's system calls", "exec", trySeccomp},
	{"userns", "user namespaces for everybody", "exec without root: the program's own namespaces and /sys/fs/bpf", tryUserNamespace},
	{"tun", "network devices without root", "exec: addresses and packets of netkit devices", tryTUN},
	{"fuse", "file systems without root", "exec: tracefs; without root cgroups that can be made, and addresses in kallsyms", tryFUSE},
	{"int80", "system calls of 32-bit programs", "exec: programs for i386", tryInt80},
	{"kvm", "run virtual machines in hardware", "vm, matrix: faster; they emulate where no kernel boots on it", tryKVM},
	{"gcc", "compile and link C", "go test -race, make libbpf", tryGCC},
}
