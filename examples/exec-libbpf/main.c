// Attaches programs to both hooks of a netkit device with libbpf, with each of
// the options that its functions take, and prints every answer. It knows nothing
// of this project; on a real kernel it prints the same:
//
//	./build.sh out && nkconform exec --device nk0,nk1 -- out/exec-libbpf out/programs.o nk0
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct bpf_object *object;

// program finds a program of the object by name.
static struct bpf_program *program(const char *name)
{
	struct bpf_program *p = bpf_object__find_program_by_name(object, name);

	if (!p) {
		fprintf(stderr, "no program %s\n", name);
		exit(1);
	}
	return p;
}

static int fd(const char *name) { return bpf_program__fd(program(name)); }

static __u32 prog_id(int fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

static __u32 link_id(int fd)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

static const char *result(int err)
{
	return err ? strerrorname_np(abs(err)) : "ok";
}

// name says which program has an id.
static const char *name_of(__u32 id)
{
	struct bpf_program *p;

	bpf_object__for_each_program(p, object)
		if (prog_id(bpf_program__fd(p)) == id)
			return bpf_program__name(p);
	return "?";
}

static void query(int ifindex, enum bpf_attach_type type)
{
	__u32 progs[64], links[64];
	LIBBPF_OPTS(bpf_prog_query_opts, opts, .prog_ids = progs, .link_ids = links, .count = 64);
	int err = bpf_prog_query_opts(ifindex, type, &opts);

	if (err) {
		printf("  query: %s\n", result(err));
		return;
	}
	printf("  revision %llu:", (unsigned long long)opts.revision);
	for (__u32 i = 0; i < opts.count; i++)
		printf(" %s%s", name_of(progs[i]), links[i] ? "@link" : "");
	printf("\n");
}

static int primary;

// attach attaches through a link.
static struct bpf_link *attach(const char *what, const char *name, const struct bpf_netkit_opts *opts)
{
	struct bpf_link *link = bpf_program__attach_netkit(program(name), primary, opts);

	printf("%s: %s\n", what, link ? "ok" : result(errno));
	query(primary, BPF_NETKIT_PRIMARY);
	return link;
}

static void done(const char *what, int err)
{
	printf("%s: %s\n", what, result(err));
	query(primary, BPF_NETKIT_PRIMARY);
}

static void with_links(void)
{
	LIBBPF_OPTS(bpf_netkit_opts, after_d, .flags = BPF_F_AFTER);
	LIBBPF_OPTS(bpf_netkit_opts, opts);
	struct bpf_link *a, *b, *c, *d;
	LIBBPF_OPTS(bpf_link_update_opts, update);

	a = attach("link a", "a", NULL);
	attach("link a again", "a", NULL);

	opts.flags = BPF_F_BEFORE;
	opts.relative_fd = fd("a");
	b = attach("link b before program a", "b", &opts);

	memset(&opts, 0, sizeof(opts));
	opts.sz = sizeof(opts);
	opts.flags = BPF_F_AFTER | BPF_F_LINK;
	opts.relative_id = link_id(bpf_link__fd(b));
	c = attach("link c after link b by id", "c", &opts);

	memset(&opts, 0, sizeof(opts));
	opts.sz = sizeof(opts);
	opts.expected_revision = 1;
	attach("link d at revision 1", "d", &opts);

	opts.expected_revision = 0;
	opts.flags = BPF_F_BEFORE | BPF_F_AFTER;
	attach("link d before and after", "d", &opts);

	opts.flags = BPF_F_BEFORE;
	opts.relative_fd = fd("d");
	attach("link d before itself", "d", &opts);

	opts.relative_id = 1;
	attach("link d with fd and id", "d", &opts);

	memset(&opts, 0, sizeof(opts));
	opts.sz = sizeof(opts);
	opts.flags = BPF_F_REPLACE;
	attach("link d replacing", "d", &opts);

	opts.flags = BPF_F_BEFORE | BPF_F_LINK;
	opts.relative_fd = fd("a");
	attach("link d before program a as a link", "d", &opts);

	opts.flags = BPF_F_BEFORE | BPF_F_ID;
	opts.relative_fd = 0;
	opts.relative_id = 999999;
	attach("link d before no program", "d", &opts);

	opts.flags = BPF_F_BEFORE | BPF_F_LINK;
	opts.relative_id = 0;
	opts.relative_fd = bpf_link__fd(c);
	opts.expected_revision = 4;
	d = attach("link d before link c at revision 4", "d", &opts);
	bpf_link__destroy(d);
	done("destroy d", 0);

	opts.flags = 1 << 8;
	opts.relative_fd = 0;
	opts.expected_revision = 0;
	attach("link d with an unknown flag", "d", &opts);

	d = attach("link d at the end", "d", &after_d);

	update.flags = BPF_F_REPLACE;
	update.old_prog_fd = fd("b");
	done("update d with e, b expected", bpf_link_update(bpf_link__fd(d), fd("e"), &update));
	update.old_prog_fd = fd("d");
	done("update d with e, d expected", bpf_link_update(bpf_link__fd(d), fd("e"), &update));
	done("update d with a", bpf_link__update_program(d, program("a")));

	done("detach link b", bpf_link__detach(b));
	done("update detached link b", bpf_link__update_program(b, program("b")));
	bpf_link__destroy(b);
	bpf_link__destroy(c);
	bpf_link__destroy(d);
	done("destroy b, c and d", 0);
	bpf_link__destroy(a);
	done("destroy a", 0);
}

static void with_programs(void)
{
	LIBBPF_OPTS(bpf_prog_attach_opts, opts);
	LIBBPF_OPTS(bpf_prog_detach_opts, gone);
	struct bpf_link *l;

	done("attach a", bpf_prog_attach_opts(fd("a"), primary, BPF_NETKIT_PRIMARY, NULL));
	opts.flags = BPF_F_BEFORE;
	opts.relative_id = prog_id(fd("a"));
	done("attach b before a by id", bpf_prog_attach_opts(fd("b"), primary, BPF_NETKIT_PRIMARY, &opts));

	memset(&opts, 0, sizeof(opts));
	opts.sz = sizeof(opts);
	opts.flags = BPF_F_REPLACE;
	opts.replace_fd = fd("a");
	done("replace a by c", bpf_prog_attach_opts(fd("c"), primary, BPF_NETKIT_PRIMARY, &opts));
	done("replace a by c again", bpf_prog_attach_opts(fd("c"), primary, BPF_NETKIT_PRIMARY, &opts));

	l = attach("link d", "d", NULL);
	done("detach d, which a link owns", bpf_prog_detach_opts(fd("d"), primary, BPF_NETKIT_PRIMARY, NULL));
	gone.flags = BPF_F_BEFORE;
	done("detach the first", bpf_prog_detach_opts(0, primary, BPF_NETKIT_PRIMARY, &gone));
	gone.flags = 0;
	gone.expected_revision = 1;
	done("detach c at revision 1", bpf_prog_detach_opts(fd("c"), primary, BPF_NETKIT_PRIMARY, &gone));
	gone.expected_revision = 0;
	done("detach c", bpf_prog_detach_opts(fd("c"), primary, BPF_NETKIT_PRIMARY, &gone));
	bpf_link__destroy(l);
	done("detach from an empty hook", bpf_prog_detach_opts(fd("c"), primary, BPF_NETKIT_PRIMARY, &gone));

	printf("attach to the peer's hook: %s\n",
	       result(bpf_prog_attach_opts(fd("e"), primary, BPF_NETKIT_PEER, NULL)));
	query(primary, BPF_NETKIT_PEER);
	printf("detach from the peer's hook: %s\n",
	       result(bpf_prog_detach_opts(fd("e"), primary, BPF_NETKIT_PEER, NULL)));
	query(primary, BPF_NETKIT_PEER);
}

static const char *const pin_path = "/sys/fs/bpf/exec-libbpf";

// with_pins has a link outlive its fds.
static void with_pins(void)
{
	struct bpf_link *l = attach("link a", "a", NULL);

	done("pin it", bpf_link__pin(l, pin_path));
	done("pin it again", bpf_link__pin(l, pin_path));
	bpf_link__disconnect(l);
	bpf_link__destroy(l);
	done("close it", 0);
	l = bpf_link__open(pin_path);
	printf("open the pin: %s\n", l ? bpf_link__pin_path(l) : result(errno));
	done("update it with b", bpf_link__update_program(l, program("b")));
	done("unpin it", bpf_link__unpin(l));
	done("destroy it", bpf_link__destroy(l));
	printf("open the pin: %s\n", bpf_link__open(pin_path) ? "ok" : result(errno));
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: %s OBJECT DEVICE\n", argv[0]);
		return 2;
	}
	primary = if_nametoindex(argv[2]);
	if (!primary) {
		perror(argv[2]);
		return 1;
	}
	libbpf_set_print(NULL);
	object = bpf_object__open_file(argv[1], NULL);
	if (!object || bpf_object__load(object)) {
		fprintf(stderr, "load %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	with_links();
	with_programs();
	with_pins();
	bpf_object__close(object);
	return 0;
}
