package fake

import (
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// Behaviour states what the kernel does where it does not refuse.
type Behaviour struct {
	ID        mprog.Rule
	Text      string // one or two English sentences
	Source    string // the kernel function that does it
	Scenarios string // the scenarios that show it: a prefix of their ids
}

// Behaviours returns what the fake does where it does not refuse, by what it is
// about.
func Behaviours() []Behaviour { return slices.Clone(behaviours) }

var behaviours = []Behaviour{
	{"order/append", "Without BEFORE, AFTER and REPLACE a program goes behind the last.", "bpf_mprog_attach", "attach/order"},
	{"order/before", "BEFORE alone puts a program in front of all; with a relative object, right in front of it.", "bpf_mprog_pos_before", "attach/order"},
	{"order/after", "AFTER alone puts a program behind all; with a relative object, right behind it.", "bpf_mprog_pos_after", "attach/order"},
	{"order/query", "A query lists programs in the order in which they run.", "bpf_mprog_query", "query/order"},
	{"replace/in-place", "A replaced program's place is the new one's; the list keeps its length, also when it is full.", "bpf_mprog_replace", "attach/replace"},
	{"revision/counts", "Every successful change of a hook adds one to its revision, which begins at 1.", "bpf_mprog_attach, bpf_mprog_detach", "revision/counts"},
	{"revision/emptied-netkit", "The revision of a netkit hook goes on when its last program goes, although a query of an empty hook says 1.", "netkit_entry_fetch", "revision/stale/attach-after-emptied"},
	{"revision/emptied-tcx", "A tcx hook that is empty has no storage: its next program finds revision 1.", "tcx_entry_free", "revision/stale/attach-after-emptied-tcx"},
	{"revision/kept-tcx", "A clsact or ingress qdisc keeps the storage of a tcx hook, and its revision, while no program is there; a query tells it.", "ingress_init, clsact_init, tcx_entry_is_active", "clsact/storage"},
	{"detach/named", "A program that is named is detached wherever it stands, provided that BEFORE and AFTER agree.", "bpf_mprog_detach", "detach/condition"},
	{"detach/position", "Without a program, BEFORE and AFTER say what is detached: the neighbour of the relative object, the first, the last. No flag is the last.", "bpf_mprog_detach", "detach/position"},
	{"detach/border", "In front of the first is the first, behind the last is the last: even if that is the relative object itself.", "bpf_mprog_fetch", "detach/border"},
	{"query/count", "A query always tells the revision and how many programs there are; ids only where there is room for them.", "bpf_mprog_query", "query/buffer"},
	{"query/attach-flags", "The arrays of attach flags may be left out, as link_ids; each entry that is written has a 0 there. Entries are written one after the other, as far as the memory of all arrays goes.", "bpf_mprog_query", "query/attach-flags"},
	{"link/create", "A link attaches its program like an attach does; a failed creation uses up an id.", "netkit_link_attach, tcx_link_attach", "link/create"},
	{"link/update", "A link's program is replaced in place. By itself it is left alone: success, and no new revision.", "netkit_link_update, tcx_link_update", "link/update"},
	{"link/detach", "A detached link stays, defunct, with its id and program and without a device; detaching it again succeeds.", "netkit_link_detach, tcx_link_detach", "link/detach"},
	{"link/release", "With the last fd and the last pin of a link its program leaves the hook.", "bpf_link_free", "link/release"},
	{"link/info", "A link's ifindex is that of the device which has the hook: of a PEER link, the peer's.", "netkit_link_fill_info, tcx_link_fill_info", "info/link"},
	{"program/reference", "An attached program, and that of a link, stays when its fds are closed.", "bpf_prog_inc", "object/references"},
	{"device/deleted", "Deleting either end of a pair deletes both; programs are let go, links become defunct.", "netkit_del_link, netkit_release_all, dev_tcx_uninstall", "device/delete"},
	{"device/moved", "A device keeps its programs and links when it moves to another network namespace.", "dev_change_net_namespace", "netns/"},
	{"netns/ended", "A network namespace ends when neither an fd nor a process refers to it: its devices are deleted, and their peers in other namespaces with them.", "cleanup_net, default_device_exit_batch", "netns/end"},
	{"filter/order", "Filters run chain by chain in the order of their priorities, in one priority the newest first; a replaced filter keeps its place.", "tcf_chain_tp_find, cls_bpf_change", "clsact/order"},
	{"filter/auto", "Priority 0 is one below the lowest from 32768 on, or 49152; handle 0 is the lowest that is free.", "tcf_auto_prio, cls_bpf_change", "clsact/order"},
	{"filter/reference", "A filter holds a reference on its program, until it is deleted or replaced, or its qdisc or device goes.", "cls_bpf_prog_from_efd, cls_bpf_delete_prog_work", "clsact/reference"},
	{"qdisc/moved", "A device that moves to another network namespace loses its qdisc.", "dev_shutdown", "clsact/storage/moved"},
	{"caller/netns", "Devices are looked up in the caller's network namespace; a netkit pair's peer may be in any.", "netkit_dev_fetch, tcx_prog_attach", "netns/"},
	{"caller/capability", "To attach takes no capability, only the program's fd.", "bpf_prog_attach, link_create", "capability/none"},
	{"caller/fds", "Fds are a process's own, inherited when it starts; a process that ends closes them.", "copy_files, exit_files", "process/"},
	{"object/ids", "Ids belong to the machine, grow, and are not used again.", "bpf_prog_alloc_id, bpf_link_alloc_id", "object/ids"},
	{"object/pin", "A pin holds a reference; a path leads to the object again.", "bpf_obj_do_pin, bpf_obj_do_get", "object/pin"},
	{"attr/short", "Fields behind the end of a short bpf_attr are zero.", "__sys_bpf", "attr/short"},
	{"attr/padding", "Padding between fields, and fields of other kinds of links, may hold anything.", "CHECK_ATTR", "attr/padding"},
	{"run/stop", "Programs run in the list's order, up to the first that returns anything but NEXT (-1).", "netkit_run, tcx_run", "run/stop"},
	{"run/netkit", "On netkit PASS (0) delivers, REDIRECT (7) goes where the program says, and any other value drops. All NEXT delivers.", "netkit_xmit", "packet/netkit"},
	{"run/tcx", "On tcx DROP (2) and REDIRECT (7) end a packet here; PASS (0), all NEXT and unknown values deliver it.", "tcx_run, tcx_action_code", "packet/tcx"},
	{"run/filter", "Where no tcx program has decided, the filters of chain 0 run that are for the packet's protocol. With direct action OK (0) delivers, SHOT (2), STOLEN (4), REDIRECT (7) and TRAP (8) end a packet here, any other value goes on to the next filter.", "tc_run, cls_bpf_classify", "clsact/run"},
	{"run/policy", "A netkit device's policy decides only while no program is attached.", "netkit_xmit", "run/policy"},
	{"cgroup/effective", "What runs in a cgroup are programs with PREORDER, the outermost cgroup's first, then the others, its own first; an ancestor not of the mode MULTI gives way to what is nearer.", "compute_effective_progs", "cgroup/preorder"},
	{"cgroup/one-program", "Where a hook takes one program the next takes its place, and a detach takes it off, whatever is named.", "find_attach_entry, find_detach_entry", "cgroup/detach/one-program"},
	{"cgroup/revision", "The revision of a cgroup's hook counts every change, an update of a link by its own program among them, and goes on when the hook is empty.", "__cgroup_bpf_attach, __cgroup_bpf_replace", "cgroup/revision/counts"},
	{"cgroup/ended", "What is attached to a cgroup that is removed is let go of, and links are left defunct.", "cgroup_bpf_release", "cgroup/target/removed"},
	{"run/cgroup", "Every effective program runs, and the packet passes where the lowest bit is set of what each returns.", "bpf_prog_run_array_cg", "cgroup/run"},
	{"run/hooks", "PRIMARY runs for what the primary device transmits, PEER for what the peer does; tcx egress before, tcx ingress where it arrives after.", "netkit_xmit, sch_handle_egress, sch_handle_ingress", "run/hooks"},
}
