/*
 * What the kernel's files for attaching BPF programs take for granted, in user
 * space: numbers and the words that mean nothing here. There is one thread, no
 * memory that may be missing, and nobody reads without locks.
 */
typedef unsigned char u8, __u8;
typedef unsigned short u16, __u16, __be16, __sum16;
typedef unsigned int u32, __u32, __be32, __wsum, gfp_t;
typedef unsigned long long u64, __u64, __be64, __aligned_u64;
typedef signed char s8, __s8;
typedef short s16, __s16;
typedef int s32, __s32;
typedef long long s64, __s64;
typedef unsigned long size_t, uintptr_t;
typedef long ssize_t, loff_t;
typedef u64 __attribute__((aligned(8))) __bpf_aligned_u64;
typedef _Bool bool;
typedef struct { s64 counter; } atomic64_t;
typedef struct { int counter; } atomic_t;

#define true 1
#define false 0
#define NULL ((void *)0)
#define INT_MAX 0x7fffffff
#define PAGE_SIZE 4096

#define __user
#define __rcu
#define __force
#define __init
#define __exit
#define __bpf_md_ptr(type, name) \
	union { type name; u64 : 64; } __attribute__((aligned(8)))
#define __always_inline inline __attribute__((always_inline))
#define __packed __attribute__((packed))
#define __aligned(x) __attribute__((aligned(x)))
#define __must_check
#define __maybe_unused __attribute__((unused))
#define __cacheline_group_begin(x)
#define __cacheline_group_end(x)
#define noinline __attribute__((noinline))
#define fallthrough do { } while (0)
#define likely(x) (x)
#define unlikely(x) (x)
#define asmlinkage
#define barrier() do { } while (0)
#define IS_ENABLED(x) 0
#define INDIRECT_CALLABLE_DECLARE(f) f
#define EXPORT_SYMBOL(x)
#define EXPORT_SYMBOL_GPL(x)
#define EXPORT_SYMBOL_NS(x, y)
#define EXPORT_SYMBOL_NS_GPL(x, y)
#define __DECLARE_FLEX_ARRAY(type, name) \
	struct { struct { } name##_none; type name[]; }

#define CONFIG_NET 1
#define CONFIG_NET_XGRESS 1
#define CONFIG_BPF_SYSCALL 1
#define CONFIG_NETKIT 1
#define CONFIG_CGROUPS 1
#define CONFIG_CGROUP_BPF 1
#define CONFIG_INET 1

#define EPERM 1
#define ENOENT 2
#define ENXIO 6
#define E2BIG 7
#define EBADF 9
#define EAGAIN 11
#define ENOMEM 12
#define EACCES 13
#define EFAULT 14
#define EBUSY 16
#define EEXIST 17
#define ENODEV 19
#define EINVAL 22
#define ENOSPC 28
#define ERANGE 34
#define ENOSYS 38
#define ENOLINK 67
#define EOPNOTSUPP 95
#define ESTALE 116
#define ENOTSUPP 524

#define CAP_NET_ADMIN 12
#define CAP_SYS_ADMIN 21
#define CAP_PERFMON 38
#define CAP_BPF 39

#define GFP_KERNEL 0
#define GFP_ATOMIC 0
#define GFP_USER 0
#define GFP_KERNEL_ACCOUNT 0
#define __GFP_NOWARN 0
#define O_RDWR 2
#define O_CLOEXEC 02000000
