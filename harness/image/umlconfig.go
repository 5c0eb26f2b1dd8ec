package image

import "strings"

// umlOptions are the kernel's options that a User-Mode Linux needs to run
// programs of this project; all others are off.
const umlOptions = `
64BIT EXPERT PRINTK MULTIUSER BUG MAGIC_SYSRQ KALLSYMS IKCONFIG
BLK_DEV_INITRD BINFMT_ELF BINFMT_SCRIPT
TTY STDERR_CONSOLE STDIO_CONSOLE SSL NULL_CHAN
PROC_FS SYSCTL SYSFS DEVTMPFS TMPFS SHMEM HOSTFS DEBUG_FS
FUTEX EPOLL EVENTFD SIGNALFD TIMERFD POSIX_TIMERS HIGH_RES_TIMERS
MEMBARRIER ADVISE_SYSCALLS FILE_LOCKING FHANDLE INOTIFY_USER
NAMESPACES NET_NS PID_NS USER_NS CGROUPS CGROUP_BPF
NET PACKET UNIX INET IPV6 NETDEVICES NET_CORE DUMMY VETH NETKIT
NET_SCHED NET_CLS NET_CLS_ACT NET_CLS_BPF NET_SCH_INGRESS BPF_SYSCALL
`

// umlRequired are those without which it is of no use. An older kernel's
// configuration drops what it does not know, without a word.
var umlRequired = []string{"BPF_SYSCALL", "NETKIT", "SSL", "BLK_DEV_INITRD"}

// umlConfig is the list as the kernel's build takes it.
func umlConfig() string {
	var b strings.Builder
	for _, o := range strings.Fields(umlOptions) {
		b.WriteString("CONFIG_" + o + "=y\n")
	}
	return b.String()
}

// missingOptions lists the required options that a configuration lacks.
func missingOptions(config string) []string {
	var missing []string
	for _, o := range umlRequired {
		if !strings.Contains("\n"+config, "\nCONFIG_"+o+"=y\n") {
			missing = append(missing, o)
		}
	}
	return missing
}
