// A testee that answers through libbpf, 1.3 or newer: it reads requests from
// standard input, makes the library's call, and writes what came of it. The
// protocol is described in package testee.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long long u64;

// The request in hand: its words, of which all but the first are key=value.
static char *words[32];
static int nwords;

static u64 field(const char *key)
{
	size_t n = strlen(key);

	for (int i = 1; i < nwords; i++)
		if (!strncmp(words[i], key, n) && words[i][n] == '=')
			return strtoull(words[i] + n + 1, NULL, 0);
	return 0;
}

static void reply(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

// refused replies with what a function of libbpf returned, which is negative.
static void refused(int err) { reply("errno %d", -err); }

static void done(int err)
{
	if (err)
		refused(err);
	else
		reply("ok");
}

// Descriptors opened for one request. They are closed before its reply is written.
static int opened[8];
static int nopened;

static int keep(int fd)
{
	if (fd >= 0)
		opened[nopened++] = fd;
	return fd;
}

static void close_opened(void)
{
	while (nopened)
		close(opened[--nopened]);
}

// open_prog and open_link open the object whose id a field holds; 0 if it holds none.
static int open_prog(const char *key)
{
	return field(key) ? keep(bpf_prog_get_fd_by_id(field(key))) : 0;
}

static int open_link(const char *key)
{
	return field(key) ? keep(bpf_link_get_fd_by_id(field(key))) : 0;
}

// relative_fd opens the relative object that is to be named by its descriptor.
static int relative_fd(void)
{
	return field("relative_link_id") ? open_link("relative_link_id") : open_prog("relative_prog_id");
}

static struct bpf_program *stubs_of[4];

extern const char stubs[], stubs_end[];

static int load_stubs(void)
{
	static const char *const names[] = { "primary", "peer", "ingress", "egress" };
	struct bpf_object *object = bpf_object__open_mem(stubs, stubs_end - stubs, NULL);
	int err;

	if (!object)
		return -errno;
	err = bpf_object__load(object);
	if (err)
		return err;
	for (int i = 0; i < 4; i++)
		stubs_of[i] = bpf_object__find_program_by_name(object, names[i]);
	return 0;
}

// The link made last, until the other side has it.
static int made = -1;

static void release(void)
{
	close(made);
	made = -1;
	reply("ok");
}

static bool is_netkit(u64 type) { return type == BPF_NETKIT_PRIMARY || type == BPF_NETKIT_PEER; }

static bool is_tcx(u64 type) { return type == BPF_TCX_INGRESS || type == BPF_TCX_EGRESS; }

// program returns a program of libbpf's for an attach type which is, behind its
// descriptor, the program with the id.
static struct bpf_program *program(u64 type, int fd)
{
	struct bpf_program *p = stubs_of[is_netkit(type) ? type == BPF_NETKIT_PEER : 2 + (type == BPF_TCX_EGRESS)];

	return dup3(fd, bpf_program__fd(p), O_CLOEXEC) < 0 ? NULL : p;
}

static int nothing; // a descriptor of no object

// forget_programs leaves the stubs no program's descriptor.
static void forget_programs(void)
{
	for (int i = 0; i < 4; i++)
		dup3(nothing, bpf_program__fd(stubs_of[i]), O_CLOEXEC);
}

// A link of libbpf's whose descriptor is lent to any link; NULL until one is made.
static struct bpf_link *lent;

static void lend(int fd) { dup3(fd, bpf_link__fd(lent), O_CLOEXEC); }

static void hello(void) { reply("ok name=libbpf version=%s", libbpf_version_string() + 1); }

static void prog_attach(void)
{
	LIBBPF_OPTS(bpf_prog_attach_opts, opts,
		.flags = field("flags"),
		.relative_fd = relative_fd(),
		.relative_id = field("relative_id"),
		.expected_revision = field("expected_revision"));

	if (opts.flags & BPF_F_REPLACE)
		opts.replace_prog_fd = open_prog("replace_prog_id");
	done(bpf_prog_attach_opts(open_prog("prog_id"), field("target_ifindex"), field("attach_type"), &opts));
}

static void prog_detach(void)
{
	LIBBPF_OPTS(bpf_prog_detach_opts, opts,
		.flags = field("flags"),
		.relative_fd = relative_fd(),
		.relative_id = field("relative_id"),
		.expected_revision = field("expected_revision"));

	done(bpf_prog_detach_opts(open_prog("prog_id"), field("target_ifindex"), field("attach_type"), &opts));
}

static void print_ids(const char *key, const __u32 *ids, __u32 n)
{
	printf(" %s=", key);
	for (__u32 i = 0; i < n; i++)
		printf(i ? ",%u" : "%u", ids[i]);
}

static void prog_query(void)
{
	__u32 progs[64] = {}, links[64] = {}, room = field("count");
	__u32 prog_flags[64], link_flags[64];
	LIBBPF_OPTS(bpf_prog_query_opts, opts,
		.query_flags = field("query_flags"),
		.count = room, .prog_ids = progs, .link_ids = links,
		.prog_attach_flags = field("prog_attach_flags") ? prog_flags : NULL,
		.link_attach_flags = field("link_attach_flags") ? link_flags : NULL);
	int err;

	if (room > 64) {
		reply("unsupported more than 64 entries");
		return;
	}
	memset(prog_flags, 0xff, sizeof(prog_flags));
	memset(link_flags, 0xff, sizeof(link_flags));
	err = bpf_prog_query_opts(field("target_ifindex"), field("attach_type"), &opts);
	if (err && err != -ENOSPC) {
		refused(err);
		return;
	}
	printf(err ? "errno %d" : "ok", -err);
	printf(" revision=%llu count=%u", (u64)opts.revision, opts.count);
	if (opts.count < room)
		room = opts.count;
	print_ids("prog_ids", progs, room);
	print_ids("link_ids", links, room);
	if (opts.prog_attach_flags)
		print_ids("prog_attach_flags", prog_flags, room);
	if (opts.link_attach_flags)
		print_ids("link_attach_flags", link_flags, room);
	reply("");
}

static struct bpf_link *attach(u64 type, struct bpf_program *p)
{
	if (is_netkit(type)) {
		LIBBPF_OPTS(bpf_netkit_opts, opts,
			.flags = field("flags"),
			.relative_fd = relative_fd(),
			.relative_id = field("relative_id"),
			.expected_revision = field("expected_revision"));

		return bpf_program__attach_netkit(p, field("target_ifindex"), &opts);
	}
	LIBBPF_OPTS(bpf_tcx_opts, opts,
		.flags = field("flags"),
		.relative_fd = relative_fd(),
		.relative_id = field("relative_id"),
		.expected_revision = field("expected_revision"));

	return bpf_program__attach_tcx(p, field("target_ifindex"), &opts);
}

static void link_create(void)
{
	struct bpf_link_info info = {};
	u64 type = field("attach_type");
	__u32 len = sizeof(info);
	struct bpf_program *p;
	struct bpf_link *l;

	if (!is_netkit(type) && !is_tcx(type)) {
		reply("unsupported attach type");
		return;
	}
	p = program(type, open_prog("prog_id"));
	if (!p) {
		reply("unsupported program");
		return;
	}
	l = attach(type, p);
	if (!l) {
		refused(-errno);
		return;
	}
	bpf_link_get_info_by_fd(bpf_link__fd(l), &info, &len);
	made = dup(bpf_link__fd(l));
	if (lent) {
		bpf_link__destroy(l);
	} else {
		lent = l;
		lend(nothing);
	}
	reply("ok link_id=%u", info.id);
}

static void link_update(void)
{
	int link = open_link("link_id"), new = open_prog("new_prog_id");
	LIBBPF_OPTS(bpf_link_update_opts, opts, .flags = field("flags"));

	if (!opts.flags && lent) {
		lend(link);
		done(bpf_link__update_program(lent, program(BPF_NETKIT_PRIMARY, new)));
		lend(nothing);
		return;
	}
	if (opts.flags & BPF_F_REPLACE)
		opts.old_prog_fd = open_prog("old_prog_id");
	done(bpf_link_update(link, new, &opts));
}

static void link_detach(void)
{
	int link = open_link("link_id");

	if (!lent) {
		done(bpf_link_detach(link));
		return;
	}
	lend(link);
	done(bpf_link__detach(lent));
	lend(nothing);
}

static const struct {
	const char *verb;
	void (*answer)(void);
} requests[] = {
	{ "hello", hello },
	{ "prog-attach", prog_attach },
	{ "prog-detach", prog_detach },
	{ "prog-query", prog_query },
	{ "link-create", link_create },
	{ "link-update", link_update },
	{ "link-detach", link_detach },
	{ "release", release },
};

static void answer(void)
{
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
		if (!strcmp(requests[i].verb, words[0])) {
			requests[i].answer();
			return;
		}
	reply("unsupported request");
}

static int warn(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

int main(void)
{
	static char line[4096], out[4096];
	int err;

	setvbuf(stdout, out, _IOFBF, sizeof(out));
	libbpf_set_print(warn);
	nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	err = load_stubs();
	if (err)
		return 1;
	libbpf_set_print(NULL); // refusals are what is asked for
	while (fgets(line, sizeof(line), stdin)) {
		nwords = 0;
		for (char *w = strtok(line, " \n"); w && nwords < 32; w = strtok(NULL, " \n"))
			words[nwords++] = w;
		if (!nwords)
			continue;
		answer();
		close_opened();
		forget_programs();
		fflush(stdout);
	}
	return 0;
}
