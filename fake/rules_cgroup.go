package fake

import (
	"fmt"

	"github.com/nkconform/nkconform/mprog"
)

// Hooks of cgroups: kernel/bpf/cgroup.c.
var (
	cgroupFlags = rule("cgroup/flags", mprog.EINVAL,
		"A cgroup takes no flags but OVERRIDE, MULTI, PREORDER, REPLACE, BEFORE, AFTER, ID and LINK.", "bpf_prog_attach").
		passing("flags $f1 are known")
	cgroupNoPlace = rule("cgroup/no-place", mprog.EINVAL,
		"A kernel that has no positions and revisions on cgroups takes neither (before Linux 6.17, but for 6.12 from 6.12.111 on).", "bpf_prog_attach, bpf_prog_detach")
	cgroupProgType = rule("cgroup/prog-type", mprog.EINVAL,
		"The program must be of the type that belongs to the attach type.", "bpf_prog_get_type")
	cgroupNetAdmin = rule("cgroup/net-admin", mprog.EINVAL,
		"To attach a program of the type CGROUP_SKB takes CAP_NET_ADMIN or CAP_SYS_ADMIN, and that is not EPERM; to detach one takes none.",
		"bpf_prog_attach").
		passing("the caller has CAP_NET_ADMIN or CAP_SYS_ADMIN")
	cgroupLinkNetAdmin = rule("cgroup/link-net-admin", mprog.EPERM,
		"A link of a program of the type CGROUP_SKB takes CAP_NET_ADMIN or CAP_SYS_ADMIN.", "bpf_prog_attach_check_attach_type").
		passing("the caller has CAP_NET_ADMIN or CAP_SYS_ADMIN")
	cgroupExpected = rule("cgroup/expected-attach-type", mprog.EINVAL,
		"The attach type must be the program's, and the one it was loaded for where its type or what it returns makes a difference.",
		"bpf_prog_attach_check_attach_type").
		passing("the program is for attach type $t1")
	cgroupDetachFlags = rule("cgroup/detach-flags", mprog.EINVAL,
		"A detach from a cgroup takes neither flags nor a relative object.", "bpf_prog_detach").
		passing("no flags and no relative object are given")
	cgroupLinkFlags = rule("cgroup/link-flags", mprog.EINVAL,
		"A link takes no flags on a cgroup but BEFORE, AFTER, ID, LINK and PREORDER; it is of the mode MULTI always.",
		"cgroup_bpf_link_attach").
		passing("flags $f1 are known")
	cgroupRemoved = rule("cgroup/removed", mprog.ENOENT,
		"The cgroup must not have been removed.", "css_tryget_online_from_dir")
	cgroupModes = rule("cgroup/modes", mprog.EINVAL,
		"OVERRIDE and MULTI exclude each other.", "__cgroup_bpf_attach")
	cgroupReplaceMode = rule("cgroup/replace-mode", mprog.EINVAL,
		"REPLACE takes MULTI.", "__cgroup_bpf_attach")
	cgroupReplacePlace = rule("cgroup/replace-place", mprog.EINVAL,
		"What replaces another has its place: neither BEFORE nor AFTER.", "__cgroup_bpf_attach").
		passing("flags $f1 do not contradict each other")
	cgroupStale = rule("cgroup/stale", mprog.ESTALE,
		"A nonzero expected_revision must be the hook's revision.", "__cgroup_bpf_attach, __cgroup_bpf_detach").
		passing("expected revision $1 (0 is any), hook is at $2")
	cgroupForbidden = rule("cgroup/forbidden", mprog.EPERM,
		"The nearest ancestor that has a program must be of the mode OVERRIDE or MULTI.", "hierarchy_allows_attach").
		passing("no ancestor forbids it")
	cgroupMode = rule("cgroup/mode", mprog.EPERM,
		"While a hook has programs its mode stays.", "__cgroup_bpf_attach").
		passing("the hook is empty, or its mode is that of the flags, $f1")
	cgroupFull = rule("cgroup/full", mprog.E2BIG,
		"A hook of a cgroup holds at most 64 programs; not even REPLACE is taken then.", "__cgroup_bpf_attach").
		passing("the hook has $1 programs, at most 64 fit")
	cgroupDuplicate = rule("cgroup/duplicate", mprog.EINVAL,
		"A program can be on a hook by itself only once, but by links as well.", "find_attach_entry")
	cgroupReplaceAbsent = rule("cgroup/replace-not-attached", mprog.ENOENT,
		"The program replaced must be on the hook by itself.", "find_attach_entry")
	cgroupOneSide = rule("cgroup/one-side", mprog.EINVAL,
		"A relative object takes BEFORE or AFTER, and not both.", "get_prog_list")
	cgroupSort = rule("cgroup/relative-sort", mprog.EINVAL,
		"The relative object of a link is a link, that of a program a program.", "get_prog_list")
	cgroupBothSides = rule("cgroup/both-sides", mprog.EINVAL,
		"BEFORE and AFTER together are for an empty hook.", "get_prog_list")
	cgroupRelativeAbsent = rule("cgroup/relative-not-attached", mprog.ENOENT,
		"The relative object must be on the hook: a program by itself.", "get_prog_list")
	cgroupPreorder = rule("cgroup/preorder", mprog.EINVAL,
		"The relative object must have PREORDER if the program has, and only then.", "get_prog_list")
	cgroupUpdateType = rule("cgroup/update-type", mprog.EINVAL,
		"A link's new program must have the type of the old one.", "__cgroup_bpf_replace")
	cgroupDetachEmpty = rule("cgroup/detach-empty", mprog.ENOENT,
		"Nothing can be detached from an empty hook.", "find_detach_entry")
	cgroupDetachNone = rule("cgroup/detach-none", mprog.EINVAL,
		"Where many programs may be, the one to detach must be named by an fd of the right type.", "find_detach_entry")
	cgroupDetachAbsent = rule("cgroup/detach-not-attached", mprog.ENOENT,
		"The program to detach must be on the hook by itself.", "find_detach_entry")
	cgroupQueryFlags = rule("cgroup/query-attach-flags", mprog.EINVAL,
		"A query of effective programs has no prog_attach_flags.", "__cgroup_bpf_query").
		passing("query_flags $1 and the arrays fit")
)

// Programs of cgroups.
var (
	loadExpected = rule("prog-load/expected-attach-type", mprog.EINVAL,
		"A program of a cgroup is loaded for one of the attach types that belong to its type.", "bpf_prog_load_check_attach")
	loadVerdict = rule("prog-load/verdict", mprog.EINVAL,
		"A program of a cgroup returns 0 or 1; up to 3 at egress and bind, and 1 alone where it cannot refuse.", "check_return_code")
)

// Cgroups by themselves.
var (
	cgroupTaken = rule("cgroup/name-taken", mprog.EEXIST,
		"A cgroup has no two others of one name in it.", "cgroup_mkdir")
	cgroupHasChildren = rule("cgroup/has-children", mprog.EBUSY,
		"A cgroup that others are in is not removed.", "cgroup_destroy_locked")
	cgroupHasProcesses = rule("cgroup/has-processes", mprog.EBUSY,
		"A cgroup that processes are in is not removed.", "cgroup_destroy_locked")
	cgroupEnterBadFD = rule("cgroup/enter-bad-fd", mprog.EBADF,
		"The fd must be open.", "path_openat")
	cgroupEnterNotFolder = rule("cgroup/enter-not-a-cgroup", mprog.ENOTDIR,
		"The fd must be of a cgroup's folder.", "path_openat")
)

var didReplace = done("program id $1 is replaced, the hook is at revision $2")

func unsupportedDatagram() error {
	return fmt.Errorf("%s: %w: processes that are not this kernel's, or not in its first network namespace", mprog.OpSendDatagram, mprog.ErrUnsupported)
}
