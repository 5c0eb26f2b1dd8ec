/* The kernel's common helpers, and the objects that the files look into. */

#undef offsetof
#define offsetof(type, member) __builtin_offsetof(type, member)
#define sizeof_field(type, member) sizeof(((type *)0)->member)
#define offsetofend(type, member) (offsetof(type, member) + sizeof_field(type, member))
#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define min_t(type, a, b) ((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define max_t(type, a, b) ((type)(a) > (type)(b) ? (type)(a) : (type)(b))
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define BUILD_BUG_ON(x) ((void)sizeof(char[1 - 2 * !!(x)]))
#define xchg(p, v) ({ __typeof__(*(p)) nk_old = *(p); *(p) = (v); nk_old; })
#define cmpxchg(p, o, v) \
	({ __typeof__(*(p)) nk_old = *(p); if (nk_old == (o)) *(p) = (v); nk_old; })

/* A warning is a defect of the kernel: it is told, and fails whatever ran. */
#define WARN_ON(c) ({ int nk_true = !!(c); if (nk_true) nk_warn(__FILE__, __LINE__, #c); nk_true; })
#define WARN_ON_ONCE(c) WARN_ON(c)
#define WARN_ONCE(c, ...) WARN_ON(c)
#define WARN(c, ...) WARN_ON(c)
#define BUG_ON(c) WARN_ON(c)
extern int nk_mutant; /* the defect that is on; 0: none */
void nk_warn(const char *file, int line, const char *what);

static inline void *ERR_PTR(long e) { return (void *)e; }
static inline long PTR_ERR(const void *p) { return (long)p; }
static inline bool IS_ERR(const void *p) { return (unsigned long)p >= (unsigned long)-4095; }
static inline bool IS_ERR_OR_NULL(const void *p) { return !p || IS_ERR(p); }
#define ERR_CAST(p) ((void *)(p))
static inline int PTR_ERR_OR_ZERO(const void *p) { return IS_ERR(p) ? (int)PTR_ERR(p) : 0; }

void *memset(void *to, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);

static inline void *memchr_inv(const void *p, int c, size_t n)
{
	const u8 *b = p;

	for (; n; n--, b++)
		if (*b != (u8)c)
			return (void *)b;
	return NULL;
}

#define atomic64_set(a, v) ((a)->counter = (v))
#define atomic64_read(a) ((a)->counter)
#define atomic64_inc(a) ((void)(a)->counter++)
#define atomic64_dec(a) ((void)(a)->counter--)
#define atomic64_add(v, a) ((void)((a)->counter += (v)))
#define atomic64_sub_return(v, a) ((a)->counter -= (v))
#define atomic64_dec_and_test(a) (--(a)->counter == 0)
#define atomic64_fetch_add_unless(a, v, u) \
	({ s64 nk_old = (a)->counter; if (nk_old != (u)) (a)->counter += (v); nk_old; })

/* Lists (include/linux/list.h). */
struct list_head { struct list_head *next, *prev; };
struct hlist_head { struct hlist_node *first; };
struct hlist_node { struct hlist_node *next, **pprev; };

/* RCU: a grace period ends with the call. */
struct rcu_head { struct rcu_head *next; void (*func)(struct rcu_head *); };
struct work_struct { struct work_struct *next; void (*func)(struct work_struct *); };
#define rcu_assign_pointer(p, v) ((p) = (v))
#define RCU_INIT_POINTER(p, v) ((p) = (v))
#define rcu_dereference(p) (p)
#define rcu_dereference_rtnl(p) (p)
#define rcu_dereference_protected(p, c) (p)
#define rcu_access_pointer(p) (p)
#define rtnl_dereference(p) (p)
#define rcu_read_lock() ((void)0)
#define rcu_read_unlock() ((void)0)
#define synchronize_rcu() ((void)0)
#define rcu_trace_implies_rcu_gp() true
void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *));
#define call_rcu_tasks_trace(h, f) call_rcu(h, f)
#define call_rcu_tasks(h, f) call_rcu(h, f)
#define call_tracepoint_unregister_atomic(h, f) call_rcu(h, f)
void schedule_work(struct work_struct *work);
#define INIT_WORK(w, f) ((w)->func = (f))

/* Locks: nobody else is there. Whether rtnl is held is checked. */
void rtnl_lock(void);
void rtnl_unlock(void);
bool nk_rtnl_held(void);
#define ASSERT_RTNL() WARN_ON(!nk_rtnl_held())
#define spin_lock_bh(l) ((void)0)
#define spin_unlock_bh(l) ((void)0)
#define spin_lock_irqsave(l, f) ((void)((f) = 0))
#define spin_unlock_irqrestore(l, f) ((void)(f))
#define in_hardirq() 0
#define in_irq() 0
#define irqs_disabled() 0

/* Memory. */
void *nk_alloc(size_t n);
void kfree(const void *p);
void nk_free_later(const void *p);
#define kmalloc(n, f) nk_alloc(n)
#define kzalloc(n, f) nk_alloc(n)
#define kzalloc_noprof(n, f) nk_alloc(n)
#define kcalloc(n, s, f) nk_alloc((n) * (s))
#define kzalloc_obj(o, ...) ((__typeof__(o) *)nk_alloc(sizeof(o)))
#define kmalloc_obj(o, ...) kzalloc_obj(o)
#define alloc_hooks(x) (x)
#define kvfree(p) kfree(p)
#define kfree_rcu(p, m) nk_free_later(p)

/* The memory of the process that calls. */
unsigned long copy_to_user(void *to, const void *from, size_t n);
unsigned long copy_from_user(void *to, const void *from, size_t n);
int check_zeroed_user(const void *from, size_t n);
#define u64_to_user_ptr(x) ((void *)(uintptr_t)(x))
#define put_user(v, p) \
	({ __typeof__(*(p)) nk_v = (v); copy_to_user(p, &nk_v, sizeof(nk_v)) ? -EFAULT : 0; })
typedef struct { int nothing; } spinlock_t;
typedef struct { union { void *kernel; void *user; }; bool is_kernel : 1; } bpfptr_t;
#define copy_from_bpfptr(to, from, n) copy_from_user(to, (from).user, n)
#define USER_BPFPTR(p) ((bpfptr_t){ .user = (p) })

/* Who calls. */
struct user_namespace { int nothing; };
struct bpf_token { struct user_namespace *userns; };
struct net { u32 number; };
struct nsproxy { struct net *net_ns; };
struct task_struct { struct nsproxy *nsproxy; };
struct task_struct *nk_current(void);
#define current nk_current()
bool capable(int cap);
#define ns_capable(ns, cap) capable(cap)
static struct user_namespace init_user_ns;
#define security_bpf(...) 0
#define security_bpf_token_capable(...) 0
#define security_bpf_prog(...) 0

/* Numbers of objects (include/linux/idr.h). */
struct nk_id { struct nk_id *next; u32 id; void *object; };
struct idr { struct nk_id *buckets[256]; u32 last; u32 kind; };
void *idr_find(struct idr *idr, unsigned long id);
void *idr_remove(struct idr *idr, unsigned long id);
void *idr_get_next(struct idr *idr, int *id);
int idr_alloc_cyclic(struct idr *idr, void *object, int start, int end, gfp_t f);
#define idr_preload(f) ((void)0)
#define idr_preload_end() ((void)0)
struct idr *nk_progs(void);
struct idr *nk_links(void);
#define prog_idr (*nk_progs())
#define link_idr (*nk_links())
static struct idr map_idr, btf_idr;
static spinlock_t prog_idr_lock, link_idr_lock, map_idr_lock, btf_idr_lock;

/* Files and what is open. */
struct inode;
struct seq_file;
struct file;
struct file_operations { int (*release)(struct inode *, struct file *); };
struct file { const struct file_operations *f_op; void *private_data; };
struct fd { struct file *file; };
static const struct file_operations bpf_prog_fops, bpf_link_fops, bpf_link_fops_poll;
struct fd fdget(u32 fd);
#define fdput(f) ((void)0)
#define nk_class_fd(n) fdget(n)
#define CLASS(type, name) struct type name = nk_class_##type
#define fd_empty(f) (!(f).file)
#define fd_file(f) ((f).file)
int get_unused_fd_flags(unsigned int flags);
#define put_unused_fd(fd) ((void)0)
struct file *anon_inode_getfile(const char *name, const struct file_operations *ops, void *data, int flags);
void fd_install(u32 fd, struct file *file);
int anon_inode_getfd(const char *name, const struct file_operations *ops, void *data, int flags);
void fput(struct file *file);
#define seq_printf(...) ((void)0)
#define seq_puts(...) ((void)0)

/* Programs and links. Members that no compiled file has are for others' sake. */
struct bpf_prog_aux {
	atomic64_t refcnt;
	u32 id;
	bool tramp_linked;
	struct bpf_token *token;
	struct bpf_prog *prog;
	struct work_struct work;
	struct rcu_head rcu;
	int cgroup_atype;
};
struct bpf_prog {
	enum bpf_prog_type type;
	enum bpf_attach_type expected_attach_type;
	bool enforce_expected_attach_type, sleepable, gpl_compatible;
	struct bpf_prog_aux *aux;
	struct bpf_prog_aux nk_aux;
	s32 nk_return;
};
#define bpf_prog_is_offloaded(aux) false
#define bpf_prog_is_dev_bound(aux) false

struct bpf_map;
struct poll_table_struct;
struct bpf_link {
	atomic64_t refcnt;
	u32 id;
	enum bpf_link_type type;
	const struct bpf_link_ops *ops;
	struct bpf_prog *prog;
	u32 flags;
	enum bpf_attach_type attach_type;
	bool sleepable;
	struct rcu_head rcu;
	struct work_struct work;
};
struct bpf_link_ops {
	void (*release)(struct bpf_link *);
	void (*dealloc)(struct bpf_link *);
	void (*dealloc_deferred)(struct bpf_link *);
	int (*detach)(struct bpf_link *);
	int (*update_prog)(struct bpf_link *, struct bpf_prog *, struct bpf_prog *);
	void (*show_fdinfo)(const struct bpf_link *, struct seq_file *);
	int (*fill_link_info)(const struct bpf_link *, struct bpf_link_info *);
	int (*update_map)(struct bpf_link *, struct bpf_map *, struct bpf_map *);
	unsigned int (*poll)(struct file *, struct poll_table_struct *);
};
struct bpf_log_attr { u64 nothing[16]; };
void bpf_prog_put_deferred(struct work_struct *work);

/* Devices. */
struct net_device_ops { int nothing; };
struct bpf_mprog_entry;
struct net_device {
	struct net_device *nk_next;
	struct net *nk_net;
	u32 ifindex;
	bool nk_unregistering;
	const struct net_device_ops *netdev_ops;
	struct bpf_mprog_entry *tcx_ingress, *tcx_egress;
	void *nk_priv;
};
static const struct net_device_ops netkit_netdev_ops;
struct net_device *__dev_get_by_index(struct net *net, u32 ifindex);
#define netdev_priv(dev) ((dev)->nk_priv)
#define netkit_queue_unlease(dev) ((void)0)
void unregister_netdevice_queue(struct net_device *dev, struct list_head *head);
#define unregister_netdevice_queued(dev) ((dev)->nk_unregistering)
void nk_count(int which, int n);
#define net_inc_ingress_queue() nk_count(0, 1)
#define net_dec_ingress_queue() nk_count(0, -1)
#define net_inc_egress_queue() nk_count(1, 1)
#define net_dec_egress_queue() nk_count(1, -1)

/* Packets, of which no compiled function makes any. */
struct sk_buff { u16 tc_index; u8 tc_at_ingress; struct { u16 tc_classid; } nk_cb; };
#define qdisc_skb_cb(skb) (&(skb)->nk_cb)
