// An agent with libbpf that attaches a program to a netkit device and then pins it, so
// that it finds it when it is started again. Killed in between, it is attached and does
// not know, and attaches another one. With "fixed" behind the device it pins first.
//
//	./build.sh out && nkconform explore --device nk0,nk1 --agent 'out/agent nk0' --crash agent
//		--always 'query nk0:primary = [] | = [mine]'
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

static const char path[] = "/sys/fs/bpf/mine";

// load loads a program that lets every packet go on to the next.
static int load(void)
{
	struct bpf_insn next[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = -1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "mine", "GPL", next, 2, NULL);
}

static int fail(const char *what, int err)
{
	fprintf(stderr, "%s: %s\n", what, strerror(-err));
	return 1;
}

int main(int argc, char **argv)
{
	int fixed = argc == 3 && !strcmp(argv[2], "fixed");
	int device = argc > 1 ? if_nametoindex(argv[1]) : 0;
	int prog, err;

	if (!device)
		return fail("device", -ENODEV);
	prog = bpf_obj_get(path);
	if (prog >= 0 && !fixed)
		return 0; // it is attached already
	if (prog < 0) {
		prog = load();
		if (prog < 0)
			return fail("load", prog);
		if (fixed && (err = bpf_obj_pin(prog, path)))
			return fail("pin", err);
	}
	err = bpf_prog_attach_opts(prog, device, BPF_NETKIT_PRIMARY, NULL);
	if (err && !(fixed && err == -EEXIST))
		return fail("attach", err);
	if (!fixed && (err = bpf_obj_pin(prog, path)))
		return fail("pin", err);
	return 0;
}
