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
	{"userns", "user namespaces for everybody", "exec without root: namespaces and /sys/fs/bpf of the program's own", tryUserNamespace},
	{"tun", "network devices without root", "exec: packets from and to simulated devices", tryTUN},
	{"int80", "system calls of 32-bit programs", "exec: programs for i386", tryInt80},
	{"kvm", "run virtual machines in hardware", "vm, matrix: kernels boot in a second, not in ten", tryKVM},
	{"gcc", "compile and link C", "go test -race, libbpf, kernels of User-Mode Linux", tryGCC},
}
