#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

/* What is used here of the interface of bpf(2), under its own names, so that this
 * compiles with headers of any age. */
enum {
	BPF_OBJ_PIN = 6, BPF_OBJ_GET = 7, BPF_PROG_LOAD = 5, BPF_PROG_ATTACH = 8, BPF_PROG_DETACH = 9,
	BPF_PROG_GET_NEXT_ID = 11, BPF_PROG_GET_FD_BY_ID = 13, BPF_OBJ_GET_INFO_BY_FD = 15, BPF_PROG_QUERY = 16,
	BPF_LINK_CREATE = 28, BPF_LINK_UPDATE = 29, BPF_LINK_GET_FD_BY_ID = 30, BPF_LINK_GET_NEXT_ID = 31,
	BPF_LINK_DETACH = 34,
};
enum { BPF_PROG_TYPE_SOCKET_FILTER = 1, BPF_PROG_TYPE_SCHED_CLS = 3, BPF_PROG_TYPE_XDP = 6 };
enum { BPF_XDP = 37, BPF_TCX_INGRESS = 46, BPF_TCX_EGRESS = 47, BPF_NETKIT_PRIMARY = 54, BPF_NETKIT_PEER = 55 };
enum { BPF_LINK_TYPE_XDP = 6, BPF_LINK_TYPE_TCX = 11, BPF_LINK_TYPE_NETKIT = 13 };
enum { BPF_F_REPLACE = 4, BPF_F_BEFORE = 8, BPF_F_AFTER = 16, BPF_F_ID = 32, BPF_F_LINK = 1 << 13 };

union bpf_attr {
	struct { /* BPF_PROG_ATTACH, BPF_PROG_DETACH */
		uint32_t target_ifindex, attach_bpf_fd, attach_type, attach_flags, replace_bpf_fd, relative_fd;
		uint64_t expected_revision;
	};
	struct { /* BPF_PROG_QUERY */
		uint32_t target_ifindex, attach_type, query_flags, attach_flags;
		uint64_t prog_ids;
		uint32_t count, pad;
		uint64_t prog_attach_flags, link_ids, link_attach_flags, revision;
	} query;
	struct { /* BPF_LINK_CREATE */
		uint32_t prog_fd, target_ifindex, attach_type, flags, relative_fd, pad;
		uint64_t expected_revision;
	} link_create;
	struct { uint32_t link_fd, new_prog_fd, flags, old_prog_fd; } link_update;
	struct { uint32_t link_fd; } link_detach;
	struct { uint32_t id, next_id, open_flags; } by_id; /* and BPF_*_GET_NEXT_ID */
	struct { uint32_t bpf_fd, info_len; uint64_t info; } info;
	struct { uint64_t pathname; uint32_t bpf_fd, file_flags; } obj;
	struct { uint32_t prog_type, insn_cnt; uint64_t insns, license; uint32_t pad[6]; char prog_name[16]; } load;
	unsigned char bytes[1 << 17];
};

/* opts are the fields of a call that are mostly zero, and how its attr is handed over. */
struct opts {
	uint32_t flags, relative_fd, replace_bpf_fd, old_prog_fd, open_flags, file_flags;
	uint64_t expected_revision;
	int64_t size;  /* 0: as long as the command's fields */
	uint32_t junk; /* the offset of a byte that is 0xff; 0: none */
};
#define OPTS(...) (struct opts){ __VA_ARGS__ }

static union bpf_attr attr;

/* call returns what bpf(2) does, or a negative errno. */
static long call(int cmd, unsigned size, struct opts o)
{
	long r;

	if (o.size)
		size = o.size;
	if (o.junk && o.junk < size && o.junk < sizeof(attr))
		attr.bytes[o.junk] = 0xff;
	r = syscall(__NR_bpf, cmd, &attr, size);
	return r < 0 ? -errno : r;
}

static long prog_load(const char *name, uint32_t type, int32_t ret)
{
	struct { uint8_t code, regs; int16_t off; int32_t imm; } insns[] = { { 0xb7, 0, 0, ret }, { 0x95 } };

	memset(&attr, 0, sizeof(attr));
	attr.load.prog_type = type;
	attr.load.insns = (uintptr_t)insns;
	attr.load.insn_cnt = 2;
	attr.load.license = (uintptr_t)"GPL";
	strncpy(attr.load.prog_name, name, sizeof(attr.load.prog_name) - 1);
	return call(BPF_PROG_LOAD, 64, OPTS());
}

static long attach(int cmd, uint32_t ifindex, uint32_t type, uint32_t fd, struct opts o)
{
	memset(&attr, 0, sizeof(attr));
	attr.target_ifindex = ifindex;
	attr.attach_bpf_fd = fd;
	attr.attach_type = type;
	attr.attach_flags = o.flags;
	attr.replace_bpf_fd = o.replace_bpf_fd;
	attr.relative_fd = o.relative_fd;
	attr.expected_revision = o.expected_revision;
	return call(cmd, 32, o);
}
#define prog_attach(ifindex, type, fd, ...) attach(BPF_PROG_ATTACH, ifindex, type, fd, OPTS(__VA_ARGS__))
#define prog_detach(ifindex, type, fd, ...) attach(BPF_PROG_DETACH, ifindex, type, fd, OPTS(__VA_ARGS__))

static long create(uint32_t ifindex, uint32_t type, uint32_t fd, struct opts o)
{
	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = fd;
	attr.link_create.target_ifindex = ifindex;
	attr.link_create.attach_type = type;
	attr.link_create.flags = o.flags;
	attr.link_create.relative_fd = o.relative_fd;
	attr.link_create.expected_revision = o.expected_revision;
	return call(BPF_LINK_CREATE, 32, o);
}
#define link_create(ifindex, type, fd, ...) create(ifindex, type, fd, OPTS(__VA_ARGS__))

static long update(uint32_t link, uint32_t prog, struct opts o)
{
	memset(&attr, 0, sizeof(attr));
	attr.link_update.link_fd = link;
	attr.link_update.new_prog_fd = prog;
	attr.link_update.flags = o.flags;
	attr.link_update.old_prog_fd = o.old_prog_fd;
	return call(BPF_LINK_UPDATE, 16, o);
}
#define link_update(link, prog, ...) update(link, prog, OPTS(__VA_ARGS__))

static long detach_link(uint32_t link, struct opts o)
{
	memset(&attr, 0, sizeof(attr));
	attr.link_detach.link_fd = link;
	return call(BPF_LINK_DETACH, 4, o);
}
#define link_detach(link, ...) detach_link(link, OPTS(__VA_ARGS__))

/* next is what BPF_*_GET_NEXT_ID has found. */
static uint32_t next;

static long by_id(int cmd, uint32_t id, struct opts o)
{
	long r;

	memset(&attr, 0, sizeof(attr));
	attr.by_id.id = id;
	attr.by_id.open_flags = o.open_flags;
	r = call(cmd, 12, o);
	next = attr.by_id.next_id;
	return r;
}
#define prog_fd_by_id(id, ...) by_id(BPF_PROG_GET_FD_BY_ID, id, OPTS(__VA_ARGS__))
#define link_fd_by_id(id, ...) by_id(BPF_LINK_GET_FD_BY_ID, id, OPTS(__VA_ARGS__))
#define prog_next_id(id, ...) by_id(BPF_PROG_GET_NEXT_ID, id, OPTS(__VA_ARGS__))
#define link_next_id(id, ...) by_id(BPF_LINK_GET_NEXT_ID, id, OPTS(__VA_ARGS__))

static long pin(const char *path, uint32_t fd, struct opts o)
{
	memset(&attr, 0, sizeof(attr));
	attr.obj.pathname = (uintptr_t)path;
	attr.obj.bpf_fd = fd;
	attr.obj.file_flags = o.file_flags;
	return call(BPF_OBJ_PIN, 16, o);
}
#define obj_pin(path, fd, ...) pin(path, fd, OPTS(__VA_ARGS__))

static long get(const char *path, struct opts o)
{
	memset(&attr, 0, sizeof(attr));
	attr.obj.pathname = (uintptr_t)path;
	attr.obj.file_flags = o.file_flags;
	return call(BPF_OBJ_GET, 16, o);
}
#define obj_get(path, ...) get(path, OPTS(__VA_ARGS__))

static long command(uint32_t number, int64_t size, uint32_t junk)
{
	memset(&attr, 0, sizeof(attr));
	return call(number, 0, OPTS(.size = size, .junk = junk));
}

/* or_errno turns the answer of a system call into what call returns. */
static long or_errno(long r) { return r < 0 ? -errno : r; }

/* info has the words of struct bpf_prog_info or struct bpf_link_info. */
static uint32_t info[64];

static long obj_info(uint32_t fd)
{
	memset(&attr, 0, sizeof(attr));
	memset(info, 0, sizeof(info));
	attr.info.bpf_fd = fd;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)info;
	return call(BPF_OBJ_GET_INFO_BY_FD, 16, OPTS());
}

static uint32_t prog_id(uint32_t fd) { return obj_info(fd) ? 0 : info[1]; }

static uint32_t link_id(uint32_t fd) { return obj_info(fd) ? 0 : info[1]; }

/* unpin is unlink(2) of a pin, and waits for the kernel to let go of what was pinned: it
 * does that in callbacks of RCU, which run in order on a CPU. So it unlinks one more pin,
 * and waits until that program is gone. A link is then released by a worker of this CPU,
 * which runs while this process sleeps. */
static long unpin(const char *path)
{
	const char *last = "/sys/fs/bpf/last";
	long r = unlink(path) ? -errno : 0, fd = prog_load("last", BPF_PROG_TYPE_SCHED_CLS, 0), other;
	uint32_t id = prog_id(fd);

	if (obj_pin(last, fd) || close(fd) || unlink(last))
		exit(2);
	while ((other = prog_fd_by_id(id)) >= 0) {
		close(other);
		usleep(100);
	}
	usleep(1000);
	return r;
}

/* What a query has answered. */
enum { ROOM = 64, UNWRITTEN = 0xa5a5a5a5 };
static struct {
	uint64_t revision;
	uint32_t count, attach_flags, progs[ROOM], links[ROOM], prog_flags[ROOM], link_flags[ROOM], asked;
} answer;

/* What a query has besides the hook. */
struct ask {
	uint32_t query_flags, attach_flags;
	int64_t count; /* 0: ROOM, negative: none */
	int no_progs, no_links, prog_flags, link_flags;
	int64_t size;
	uint32_t junk;
};

static long ask(uint32_t ifindex, uint32_t type, struct ask a)
{
	long r;

	memset(&attr, 0, sizeof(attr));
	memset(&answer, 0xa5, sizeof(answer));
	answer.asked = a.count < 0 ? 0 : a.count ? a.count : ROOM;
	attr.query.target_ifindex = ifindex;
	attr.query.attach_type = type;
	attr.query.query_flags = a.query_flags;
	attr.query.attach_flags = a.attach_flags;
	attr.query.count = answer.asked;
	attr.query.prog_ids = a.no_progs ? 0 : (uintptr_t)answer.progs;
	attr.query.link_ids = a.no_links ? 0 : (uintptr_t)answer.links;
	attr.query.prog_attach_flags = a.prog_flags ? (uintptr_t)answer.prog_flags : 0;
	attr.query.link_attach_flags = a.link_flags ? (uintptr_t)answer.link_flags : 0;
	if (a.no_links)
		memset(answer.links, 0, sizeof(answer.links));
	r = call(BPF_PROG_QUERY, 64, OPTS(.size = a.size, .junk = a.junk));
	answer.revision = attr.query.revision;
	answer.count = attr.query.count;
	answer.attach_flags = attr.query.attach_flags;
	return r;
}
#define prog_query(ifindex, type, ...) ask(ifindex, type, (struct ask){ __VA_ARGS__ })

/* entry is a program in the list of a hook, and the link that owns it, or 0. */
struct entry { uint32_t prog, link; };

static int listed(unsigned n, const struct entry *list)
{
	if (n != (answer.count < answer.asked ? answer.count : answer.asked))
		return 0;
	for (unsigned i = 0; i < n; i++)
		if (answer.progs[i] != list[i].prog || answer.links[i] != list[i].link)
			return 0;
	return 1;
}
#define LIST(...) (sizeof((struct entry[]){ __VA_ARGS__ }) / sizeof(struct entry)), (struct entry[]){ __VA_ARGS__ }
#define EMPTY 0, NULL
#define ANY UINT64_MAX

/* hook_is asks for the whole of a hook. */
static int hook_is(uint32_t ifindex, uint32_t type, uint64_t revision, unsigned n, const struct entry *list)
{
	return prog_query(ifindex, type) == 0 && (revision == ANY || answer.revision == revision) && listed(n, list);
}

static int revision_is(uint32_t ifindex, uint32_t type, uint64_t revision)
{
	return prog_query(ifindex, type) == 0 && answer.revision == revision;
}

/* flags_are compares what a query has written of an array of attach flags. */
static int flags_are(const uint32_t *written, unsigned n, const uint32_t *flags)
{
	for (unsigned i = 0; i < n; i++)
		if (written[i] != flags[i])
			return 0;
	return n == ROOM || written[n] == UNWRITTEN;
}

/* --- the stage --- */

static struct {
	struct nlmsghdr h;
	struct ifinfomsg i;
	char rest[1024];
} request;

static struct rtattr *put(unsigned type, const void *data, unsigned len)
{
	struct rtattr *a = (void *)((char *)&request + NLMSG_ALIGN(request.h.nlmsg_len));

	a->rta_type = type;
	a->rta_len = RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	request.h.nlmsg_len = NLMSG_ALIGN(request.h.nlmsg_len) + RTA_ALIGN(a->rta_len);
	return a;
}

static void end(struct rtattr *a) { a->rta_len = (char *)&request + request.h.nlmsg_len - (char *)a; }

/* rtnetlink sends the request, and returns 0 or a negative errno. */
static long rtnetlink(void)
{
	static struct { struct nlmsghdr h; struct nlmsgerr e; char rest[4096]; } reply;
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	long r;

	if (fd < 0 || send(fd, &request, request.h.nlmsg_len, 0) < 0 || recv(fd, &reply, sizeof(reply), 0) < 0)
		r = -errno;
	else
		r = reply.e.error;
	close(fd);
	return r;
}

static void new_request(unsigned type, unsigned flags)
{
	memset(&request, 0, sizeof(request));
	request.h.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg));
	request.h.nlmsg_type = type;
	request.h.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
}

enum { NETKIT_PASS = 0, NETKIT_DROP = 2, NETKIT_L2 = 0, NETKIT_L3 = 1 };
struct netkit { uint32_t mode_l2, policy, peer_policy; };

/* add_device makes a device, or a pair of them. */
static long add_device(const char *kind, const char *name, const char *peer, struct netkit n)
{
	enum { PEER_INFO = 1, POLICY = 3, PEER_POLICY = 4, MODE = 5, PAIRING = 10 }; /* IFLA_NETKIT_* */
	struct rtattr *linkinfo, *data, *other;
	struct ifinfomsg none = {};
	uint32_t mode = n.mode_l2 ? NETKIT_L2 : NETKIT_L3, single = 1;

	new_request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	put(IFLA_IFNAME, name, strlen(name) + 1);
	linkinfo = put(IFLA_LINKINFO, NULL, 0);
	put(IFLA_INFO_KIND, kind, strlen(kind));
	data = put(IFLA_INFO_DATA, NULL, 0);
	if (!strcmp(kind, "netkit")) {
		put(MODE, &mode, 4);
		put(POLICY, &n.policy, 4);
		if (peer)
			put(PEER_POLICY, &n.peer_policy, 4);
		else
			put(PAIRING, &single, 4);
	}
	if (peer) {
		other = put(PEER_INFO, &none, sizeof(none)); /* VETH_INFO_PEER has the same number */
		put(IFLA_IFNAME, peer, strlen(peer) + 1);
		end(other);
	}
	end(data);
	end(linkinfo);
	return rtnetlink();
}
#define add_netkit(name, peer, ...) add_device("netkit", name, peer, (struct netkit){ __VA_ARGS__ })
#define add_plain(kind, name, peer) add_device(kind, name, peer, (struct netkit){ 0 })

/* add_any makes a device of the plainest kind that the kernel has. */
static long add_any(const char *name)
{
	char peer[IFNAMSIZ];
	long r = add_plain("dummy", name, NULL);

	snprintf(peer, sizeof(peer), "%.9s-peer", name);
	if (r == -EOPNOTSUPP)
		r = add_plain("veth", name, peer);
	if (r == -EOPNOTSUPP)
		r = add_netkit(name, peer);
	return r;
}

static long delete_device(uint32_t ifindex)
{
	new_request(RTM_DELLINK, 0);
	request.i.ifi_index = ifindex;
	return rtnetlink();
}

static uint32_t index_of(const char *name) { return if_nametoindex(name); }

/* --- the verdict --- */

static const char *trace;
static int verbose, failed;

enum { SKIP = 4 }; /* KSFT_SKIP */

static void need(int has, int wanted, const char *what)
{
	if (!wanted == !has)
		return;
	printf("# %s: this kernel has %s%s\n", trace, wanted ? "no " : "", what);
	exit(SKIP);
}

static int has_kind(const char *kind, const char *peer)
{
	long r = add_plain(kind, "probe0", peer);

	if (!r)
		delete_device(index_of("probe0"));
	return !r;
}

/* has_single tells the kernels that make a pair instead. */
static int has_single(void)
{
	int others = 0;
	long r = add_netkit("probe0", NULL);
	struct if_nameindex *all = if_nameindex();

	for (struct if_nameindex *i = all; i && i->if_index; i++)
		others += i->if_index != 1 && strcmp(i->if_name, "probe0");
	if_freenameindex(all);
	if (!r)
		delete_device(index_of("probe0"));
	return !r && !others;
}

static int has_tcx(void)
{
	long fd = prog_load("probe", BPF_PROG_TYPE_SCHED_CLS, -1), r;

	r = prog_attach(1, BPF_TCX_INGRESS, fd);
	if (!r)
		prog_detach(1, BPF_TCX_INGRESS, fd);
	close(fd);
	return !r;
}

/* check tells of a statement that was not answered as expected. */
static void check(int right, long r, int line, const char *statement)
{
	if (right) {
		if (verbose)
			printf("# %s:%d: %s\n", trace, line, statement);
		return;
	}
	failed = 1;
	printf("# %s:%d: %s\n", trace, line, statement);
	if (r < 0)
		printf("#   came: %s (%ld)\n", strerror(-r), -r);
	else
		printf("#   came: %ld; last asked: revision %llu, %u programs\n", r, (unsigned long long)answer.revision, answer.count);
}

/* alone gives a trace network and mount namespaces of its own, a bpf file system, and one
 * CPU. */
static void alone(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL)) {
		perror("# namespaces and a bpf file system of its own (it takes root)");
		exit(2);
	}
}
