/*
 * What the two sides share: call.go has the same. A call is filled in by the program,
 * then nk_enter is called with it.
 */
enum nk_op {
	NK_OPEN, NK_BPF, NK_PROG_NEW, NK_PROG_GET, NK_PROG_PUT, NK_LINK_PUT, NK_LINK_INFO,
	NK_DEV_NEW, NK_DEV_PAIR, NK_DEV_DEL, NK_DEV_MOVE, NK_LIST, NK_CLOSE,
};

enum nk_kind { NK_NONE, NK_PROG, NK_LINK, NK_OTHER };

#define NK_FDS 48
#define NK_GONE 1024
#define NK_ARRAYS 4
#define NK_ENTRIES 4096
#define NK_ATTR 65536

/* Where the process has its attr and its arrays. */
#define NK_ATTR_AT 0x7f21010101010110ull
#define NK_ARRAY_AT(n) (0x7f31010101010110ull + ((u64)(n) << 40))

struct nk_call {
	u32 op, cmd;
	u32 size;		/* of the attr; of arguments, how many */
	u32 net;		/* namespace of the caller */
	u64 caps;
	u32 next_fd, nfds;
	struct { u32 fd, kind, id, unused; } fds[NK_FDS];
	u64 arg[6];		/* of operations other than NK_BPF */
	u32 room[NK_ARRAYS];	/* how many entries an array has */

	s64 result;
	u32 new_kind, new_id;	/* of what is behind the fd that was installed */
	u32 last_link_id, unused;
	u32 written[NK_ARRAYS];	/* how many entries were written */
	u32 ngone, warned;
	struct { u32 kind, id; } gone[NK_GONE];
	char uncovered[64];
	char warning[192];
	u32 array[NK_ARRAYS][NK_ENTRIES];
	u8 attr[NK_ATTR];
};
_Static_assert(sizeof(struct nk_call) == NK_CALL_SIZE, "both sides have the same layout");
_Static_assert(offsetof(struct nk_call, attr) == NK_ATTR_OFFSET, "both sides have the same layout");
