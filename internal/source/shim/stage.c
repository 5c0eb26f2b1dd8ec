/* The stage that the kernel's files act on, and the way in. */

struct nk_block { struct nk_block *next; size_t size; };

struct nk_machine {
	u8 *free, *end;			/* memory that was never used */
	struct nk_block *spare[24];	/* used before, by size */
	struct idr progs, links;
	struct net_device *devices;
	struct net nets[1024];
	struct task_struct task;
	struct nsproxy nsproxy;
	struct work_struct *works;
	struct rcu_head *graves;
	struct nk_block *freed;		/* when the grace period ends */
	struct net_device *leaving;
	int rtnl;
	int live;			/* blocks in use */
	int keys[3];			/* how often tcx is in use: ingress, egress, both */
	struct file files[NK_FDS];
};

int nk_mutant;
static struct nk_machine *nk;
static struct nk_call *nk_c;

void *memset(void *to, int c, size_t n)
{
	volatile u8 *p = to;

	for (; n >= 8 && !((size_t)p & 7); n -= 8, p += 8)
		*(volatile u64 *)p = (u8)c * 0x0101010101010101ull;
	while (n--)
		*p++ = c;
	return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
	volatile u8 *t = to;
	const u8 *f = from;

	for (; n >= 8 && !(((size_t)t | (size_t)f) & 7); n -= 8, t += 8, f += 8)
		*(volatile u64 *)t = *(const u64 *)f;
	while (n--)
		*t++ = *f++;
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	volatile u8 *t = to;
	const u8 *f = from;

	if (t <= f || t >= f + n)
		return memcpy(to, from, n);
	for (; n >= 8 && !(((size_t)(t + n) | (size_t)(f + n)) & 7); n -= 8)
		*(volatile u64 *)(t + n - 8) = *(const u64 *)(f + n - 8);
	while (n--)
		t[n] = f[n];
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

static void nk_copy_text(char *to, size_t room, const char *text)
{
	size_t n;

	for (n = 0; text[n] && n + 1 < room; n++)
		to[n] = text[n];
	to[n] = 0;
}

/* nk_uncovered is told of functions that are called and were not compiled. */
long nk_uncovered(const char *name)
{
	if (!nk_c->uncovered[0])
		nk_copy_text(nk_c->uncovered, sizeof(nk_c->uncovered), name);
	return -ENOTSUPP;
}

void nk_warn(const char *file, int line, const char *what)
{
	char *to = nk_c->warning;
	char digits[12];
	int n = sizeof(digits);

	if (nk_c->warned++)
		return;
	digits[--n] = 0;
	do
		digits[--n] = '0' + line % 10;
	while (line /= 10);
	nk_copy_text(to, 64, file);
	for (; *to; to++)
		;
	*to++ = ':';
	nk_copy_text(to, 12, digits + n);
	for (; *to; to++)
		;
	*to++ = ' ';
	nk_copy_text(to, 100, what);
}

/* Memory: blocks of powers of two, with the size in front; poison where freed. */
static int nk_class(size_t n)
{
	int c = 5;

	while (((size_t)1 << c) < n + sizeof(struct nk_block))
		c++;
	return c;
}

void *nk_alloc(size_t n)
{
	int c = nk_class(n);
	struct nk_block *b;

	if (c >= (int)ARRAY_SIZE(nk->spare))
		return NULL;
	b = nk->spare[c];
	if (b) {
		nk->spare[c] = b->next;
	} else {
		if (nk->end - nk->free < (long)1 << c)
			return NULL;
		b = (struct nk_block *)nk->free;
		nk->free += (size_t)1 << c;
	}
	b->size = n;
	nk->live++;
	memset(b + 1, 0, n);
	return b + 1;
}

void kfree(const void *p)
{
	struct nk_block *b = (struct nk_block *)p - 1;

	if (!p)
		return;
	nk->live--;
	memset(b + 1, 0x6b, b->size);
	b->next = nk->spare[nk_class(b->size)];
	nk->spare[nk_class(b->size)] = b;
}

void nk_free_later(const void *p)
{
	struct nk_block *b = (struct nk_block *)p - 1;

	b->next = nk->freed;
	nk->freed = b;
}

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *))
{
	head->func = func;
	head->next = nk->graves;
	nk->graves = head;
}

void schedule_work(struct work_struct *work)
{
	work->next = nk->works;
	nk->works = work;
}

/* nk_settle does what a kernel does a little later. */
static void nk_settle(void)
{
	while (nk->works || nk->graves || nk->freed) {
		struct work_struct *work = nk->works;
		struct rcu_head *grave = nk->graves;
		struct nk_block *freed = nk->freed;

		if (work) {
			nk->works = work->next;
			work->func(work);
		} else if (grave) {
			nk->graves = grave->next;
			grave->func(grave);
		} else {
			nk->freed = freed->next;
			kfree(freed + 1);
		}
	}
}

void rtnl_lock(void) { WARN_ON(nk->rtnl++); }
void rtnl_unlock(void) { WARN_ON(--nk->rtnl); }
bool nk_rtnl_held(void) { return nk->rtnl; }
void nk_count(int which, int n) { WARN_ON((nk->keys[which] += n) < 0); }
void tcx_inc(void) { nk_count(2, 1); }
void tcx_dec(void) { nk_count(2, -1); }

struct task_struct *nk_current(void) { return &nk->task; }
bool capable(int cap) { return nk_c->caps >> cap & 1; }

/* Numbers. */
struct idr *nk_progs(void) { return &nk->progs; }
struct idr *nk_links(void) { return &nk->links; }

void *idr_find(struct idr *idr, unsigned long id)
{
	struct nk_id *n;

	for (n = idr->buckets[id % ARRAY_SIZE(idr->buckets)]; n; n = n->next)
		if (n->id == id)
			return n->object;
	return NULL;
}

static int nk_number(struct idr *idr, void *object, u32 id)
{
	struct nk_id *n = nk_alloc(sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->id = id;
	n->object = object;
	n->next = idr->buckets[id % ARRAY_SIZE(idr->buckets)];
	idr->buckets[id % ARRAY_SIZE(idr->buckets)] = n;
	return id;
}

int idr_alloc_cyclic(struct idr *idr, void *object, int start, int end, gfp_t f)
{
	return nk_number(idr, object, ++idr->last);
}

void *idr_remove(struct idr *idr, unsigned long id)
{
	struct nk_id **at = &idr->buckets[id % ARRAY_SIZE(idr->buckets)], *n;

	for (; (n = *at); at = &n->next) {
		void *object = n->object;

		if (n->id != id)
			continue;
		if (nk_c->ngone < NK_GONE) {
			nk_c->gone[nk_c->ngone].kind = idr->kind;
			nk_c->gone[nk_c->ngone++].id = id;
		}
		*at = n->next;
		kfree(n);
		return object;
	}
	WARN_ON("no object has this id");
	return NULL;
}

void *idr_get_next(struct idr *idr, int *id)
{
	struct nk_id *n, *next = NULL;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(idr->buckets); i++)
		for (n = idr->buckets[i]; n; n = n->next)
			if (n->id >= (u32)*id && (!next || n->id < next->id))
				next = n;
	if (next)
		*id = next->id;
	return next ? next->object : NULL;
}

/* The memory of the process: its attr, and up to four arrays. */
static void *nk_user(u64 at, size_t *n)
{
	int i;

	if (at - NK_ATTR_AT < NK_ATTR) {
		*n = min(*n, NK_ATTR - (at - NK_ATTR_AT));
		return nk_c->attr + (at - NK_ATTR_AT);
	}
	for (i = 0; i < NK_ARRAYS; i++) {
		u64 off = at - NK_ARRAY_AT(i), end = nk_c->room[i] * sizeof(u32);

		if (off >= 1ull << 32 || off >= end)
			continue;
		*n = min(*n, end - off);
		nk_c->written[i] = max(nk_c->written[i], (u32)((off + *n) / sizeof(u32)));
		return (u8 *)nk_c->array[i] + off;
	}
	*n = 0;
	return NULL;
}

unsigned long copy_to_user(void *to, const void *from, size_t n)
{
	size_t fits = n;
	void *at = nk_user((u64)to, &fits);

	memcpy(at, from, fits);
	return n - fits;
}

unsigned long copy_from_user(void *to, const void *from, size_t n)
{
	size_t fits = n;
	void *at = nk_user((u64)from, &fits);

	memcpy(to, at, fits);
	return n - fits;
}

int check_zeroed_user(const void *from, size_t n)
{
	size_t fits = n;
	void *at = nk_user((u64)from, &fits);

	if (fits < n)
		return -EFAULT;
	return !memchr_inv(at, 0, n);
}

/* What is open: the program has looked up what a request may name. */
static const struct file_operations nk_other_fops = { 0 };

struct fd fdget(u32 fd)
{
	struct fd f = { NULL };
	u32 i;

	for (i = 0; i < nk_c->nfds; i++) {
		u32 id = nk_c->fds[i].id;

		if (nk_c->fds[i].fd != fd || !nk_c->fds[i].kind)
			continue;
		f.file = &nk->files[i];
		f.file->f_op = &nk_other_fops;
		f.file->private_data = NULL;
		if (nk_c->fds[i].kind == NK_PROG) {
			f.file->f_op = &bpf_prog_fops;
			f.file->private_data = idr_find(&nk->progs, id);
		} else if (nk_c->fds[i].kind == NK_LINK) {
			f.file->f_op = &bpf_link_fops;
			f.file->private_data = idr_find(&nk->links, id);
		}
		WARN_ON(f.file->f_op != &nk_other_fops && !f.file->private_data);
		break;
	}
	return f;
}

int get_unused_fd_flags(unsigned int flags) { return nk_c->next_fd; }

struct file *anon_inode_getfile(const char *name, const struct file_operations *ops, void *data, int flags)
{
	struct file *file = nk_alloc(sizeof(*file));

	if (!file)
		return ERR_PTR(-ENOMEM);
	file->f_op = ops;
	file->private_data = data;
	return file;
}

void fd_install(u32 fd, struct file *file)
{
	struct bpf_link *link = file->private_data;

	WARN_ON(fd != nk_c->next_fd);
	nk_c->new_kind = NK_LINK;
	nk_c->new_id = link->id;
	kfree(file);
}

int anon_inode_getfd(const char *name, const struct file_operations *ops, void *data, int flags)
{
	bool prog = ops == &bpf_prog_fops;

	nk_c->new_kind = prog ? NK_PROG : NK_LINK;
	nk_c->new_id = prog ? ((struct bpf_prog *)data)->aux->id : ((struct bpf_link *)data)->id;
	return nk_c->next_fd;
}

/* A file that was never installed is released when the call has returned. */
struct nk_fput { struct work_struct work; struct file *file; };

static void nk_fput(struct work_struct *work)
{
	struct nk_fput *p = container_of(work, struct nk_fput, work);

	p->file->f_op->release(NULL, p->file);
	kfree(p->file);
	kfree(p);
}

void fput(struct file *file)
{
	struct nk_fput *p = nk_alloc(sizeof(*p));

	p->file = file;
	p->work.func = nk_fput;
	schedule_work(&p->work);
}

static int nk_prog_release(struct inode *inode, struct file *file)
{
	bpf_prog_put(file->private_data);
	return 0;
}

static const struct file_operations bpf_prog_fops = { .release = nk_prog_release };
static const struct file_operations bpf_link_fops = { .release = bpf_link_release };
static const struct file_operations bpf_link_fops_poll = { .release = bpf_link_release };

void bpf_prog_put_deferred(struct work_struct *work)
{
	struct bpf_prog_aux *aux = container_of(work, struct bpf_prog_aux, work);

	bpf_prog_free_id(aux->prog);
	nk_free_later(aux->prog);
}

/* Devices. */
static const struct net_device_ops netkit_netdev_ops = { 1 };
static const struct net_device_ops nk_other_ops = { 2 };

static struct net *nk_net(u32 number)
{
	number %= ARRAY_SIZE(nk->nets);
	nk->nets[number].number = number;
	return &nk->nets[number];
}

struct net_device *__dev_get_by_index(struct net *net, u32 ifindex)
{
	struct net_device *dev;

	for (dev = nk->devices; dev; dev = dev->nk_next)
		if (dev->nk_net == net && dev->ifindex == ifindex)
			return dev;
	return NULL;
}

/* nk_dev_new makes a device: its ifindex, whether it is netkit, the primary, single. */
static s64 nk_dev_new(void)
{
	struct net_device *dev = nk_alloc(sizeof(*dev));

	if (!dev)
		return -ENOMEM;
	dev->nk_net = nk_net(nk_c->net);
	dev->ifindex = nk_c->arg[0];
	dev->netdev_ops = &nk_other_ops;
	if (nk_c->arg[1]) {
		struct netkit *netkit = nk_alloc(sizeof(*netkit));

		if (!netkit)
			return -ENOMEM;
		dev->netdev_ops = &netkit_netdev_ops;
		dev->nk_priv = netkit;
		netkit->primary = nk_c->arg[2];
#ifdef NK_HAS_PAIRING
		netkit->pair = nk_c->arg[3] ? NETKIT_DEVICE_SINGLE : NETKIT_DEVICE_PAIR;
#endif
		bpf_mprog_bundle_init(&netkit->bundle);
	}
	dev->nk_next = nk->devices;
	nk->devices = dev;
	return (s64)dev;
}

static s64 nk_dev_pair(struct net_device *a, struct net_device *b)
{
	((struct netkit *)a->nk_priv)->peer = b;
	((struct netkit *)b->nk_priv)->peer = a;
	return 0;
}

void unregister_netdevice_queue(struct net_device *dev, struct list_head *head)
{
	dev->nk_unregistering = true;
}

static s64 nk_dev_del(struct net_device *dev)
{
	struct net_device **at = &nk->devices;

	rtnl_lock();
	if (dev->nk_priv)
		netkit_del_link(dev, NULL);
	else
		unregister_netdevice_queue(dev, NULL);
	while ((dev = *at)) {
		if (!dev->nk_unregistering) {
			at = &dev->nk_next;
			continue;
		}
		*at = dev->nk_next;
		dev_tcx_uninstall(dev);
		if (dev->nk_priv) {
			netkit_uninit(dev);
			nk_free_later(dev->nk_priv);
		}
		nk_free_later(dev);
	}
	rtnl_unlock();
	return 0;
}

/* nk_list writes what a packet meets at a hook: PRIMARY's or PEER's own device, or tcx. */
static s64 nk_list(struct net_device *dev, u32 which)
{
	struct bpf_mprog_entry *entry;
	const struct bpf_mprog_fp *fp;
	const struct bpf_prog *prog;
	int n = 0;

	if (which == BPF_TCX_INGRESS)
		entry = dev->tcx_ingress;
	else if (which == BPF_TCX_EGRESS)
		entry = dev->tcx_egress;
	else
		entry = dev->nk_priv ? ((struct netkit *)dev->nk_priv)->active : NULL;
	if (entry)
		bpf_mprog_foreach_prog(entry, fp, prog)
			nk_c->array[0][n++] = prog->aux->id;
	return n;
}

static s64 nk_prog_new(void)
{
	struct bpf_prog *prog = nk_alloc(sizeof(*prog));

	if (!prog)
		return -ENOMEM;
	prog->aux = &prog->nk_aux;
	prog->aux->prog = prog;
	prog->aux->id = nk_c->arg[0];
	prog->type = nk_c->arg[1];
	prog->expected_attach_type = nk_c->arg[2];
	prog->enforce_expected_attach_type = nk_c->arg[3];
	prog->nk_return = nk_c->arg[4];
	atomic64_set(&prog->aux->refcnt, 1);
	return nk_number(&nk->progs, prog, prog->aux->id);
}

/* nk_link_info answers in the arguments: type, program, ifindex, attach type. */
static s64 nk_link_info(struct bpf_link *link)
{
	struct bpf_link_info info;
	int ret;

	memset(&info, 0, sizeof(info));
	ret = link->ops->fill_link_info(link, &info);
	nk_c->arg[0] = link->type;
	nk_c->arg[1] = link->prog->aux->id;
	nk_c->arg[2] = info.netkit.ifindex;
	nk_c->arg[3] = info.netkit.attach_type;
	return ret;
}

static s64 nk_do(void)
{
	u64 *arg = nk_c->arg;
	struct file file;

	switch (nk_c->op) {
	case NK_BPF:
#if NK_PARAMS___sys_bpf == 5
		return __sys_bpf(nk_c->cmd, USER_BPFPTR((void *)NK_ATTR_AT), nk_c->size, USER_BPFPTR(NULL), 0);
#else
		return __sys_bpf(nk_c->cmd, USER_BPFPTR((void *)NK_ATTR_AT), nk_c->size);
#endif
	case NK_PROG_NEW:
		return nk_prog_new();
	case NK_PROG_GET:
		bpf_prog_inc(idr_find(&nk->progs, arg[0]));
		return 0;
	case NK_PROG_PUT:
		bpf_prog_put(idr_find(&nk->progs, arg[0]));
		return 0;
	case NK_LINK_PUT:
		file.private_data = idr_find(&nk->links, arg[0]);
		return bpf_link_fops.release(NULL, &file);
	case NK_LINK_INFO:
		return nk_link_info(idr_find(&nk->links, arg[0]));
	case NK_DEV_NEW:
		return nk_dev_new();
	case NK_DEV_PAIR:
		return nk_dev_pair((void *)arg[0], (void *)arg[1]);
	case NK_DEV_DEL:
		return nk_dev_del((void *)arg[0]);
	case NK_DEV_MOVE:
		((struct net_device *)arg[0])->nk_net = nk_net(arg[1]);
		((struct net_device *)arg[0])->ifindex = arg[2];
		return 0;
	case NK_CLOSE:
		WARN_ON(nk->keys[0] || nk->keys[1] || nk->keys[2]);
		return nk->live;
	case NK_LIST:
		return nk_list((void *)arg[0], arg[1]);
	}
	return -ENOSYS;
}

/* nk_enter makes a call on a machine, whose memory ends at end. */
__attribute__((visibility("default")))
void nk_enter(struct nk_machine *machine, struct nk_call *call)
{
	int i;

	nk = machine;
	nk_c = call;
	nk_c->ngone = nk_c->warned = nk_c->new_kind = nk_c->new_id = 0;
	nk_c->uncovered[0] = 0;
	for (i = 0; i < NK_ARRAYS; i++)
		nk_c->written[i] = 0;
	if (call->op == NK_OPEN) {
		memset(nk, 0, sizeof(*nk));
		nk->free = (u8 *)(((size_t)(nk + 1) + 63) & ~63ul);
		nk->end = (u8 *)nk + call->arg[0];
		nk->progs.kind = NK_PROG;
		nk->links.kind = NK_LINK;
		nk->task.nsproxy = &nk->nsproxy;
		nk_mutant = call->arg[1];
		call->result = 0;
		return;
	}
	nk->nsproxy.net_ns = nk_net(call->net);
	call->result = nk_do();
	nk_settle();
	if (nk->rtnl)
		WARN_ON("rtnl is still held");
	nk->rtnl = 0;
	call->last_link_id = nk->links.last;
}
