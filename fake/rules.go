package fake

import (
	"fmt"
	"sync/atomic"

	"github.com/nkconform/nkconform/mprog"
)

// RuleInfo states one rule by which the kernel refuses.
type RuleInfo struct {
	ID     mprog.Rule
	Errno  mprog.Errno // what a refusal by this rule returns
	Text   string      // the rule, one English sentence
	Source string      // the kernel function that decides
	Since  Release     // the first that has the rule; zero: all
	Extack string      // what rtnetlink says to a refusal besides the errno; "": nothing
	Then   *Then       // what rtnetlink said before; nil: the same

	pass string // what is told of a check that is passed; empty: Text
}

// Rules returns every rule that the fake refuses by, ordered by command and
// there in the order of the kernel's checks.
func Rules() []RuleInfo {
	list := make([]RuleInfo, len(rules))
	for i, r := range rules {
		list[i] = *r
	}
	return list
}

var rules []*RuleInfo

// rule adds a row to the table. Being the only maker of what refuse wants, it
// makes every refusal name a rule.
func rule(id mprog.Rule, errno mprog.Errno, text, source string) *RuleInfo {
	r := &RuleInfo{ID: id, Errno: errno, Text: text, Source: source}
	rules = append(rules, r)
	return r
}

// passing says what is told of the check when it is passed; see step.String.
func (r *RuleInfo) passing(text string) *RuleInfo {
	r.pass = text
	return r
}

// saying says what rtnetlink's answer tells in words.
func (r *RuleInfo) saying(extack string) *RuleInfo {
	r.Extack = extack
	return r
}

// Then is what rtnetlink said to a refusal before a release.
type Then struct {
	Until  Release
	Extack string
}

// earlier is what was said, by rule.
var earlier = map[mprog.Rule]*Then{}

// before says what was said before a release.
func (r *RuleInfo) before(major, minor int, extack string) *RuleInfo {
	r.Then = &Then{Version(major, minor), extack}
	earlier[r.ID] = r.Then
	return r
}

// from says which release is the first to have the rule.
func (r *RuleInfo) from(major, minor int) *RuleInfo {
	r.Since = Version(major, minor)
	return r
}

// refuse says no by a rule, with the numbers that decided. The command's name
// is filled in by answer.
func refuse(r *RuleInfo, format string, args ...any) error {
	e := &mprog.Error{Errno: r.Errno, Rule: r.ID, Extack: r.Extack}
	if !terse.Load() {
		e.Detail = fmt.Sprintf(format, args...)
	}
	return e
}

// Terse says whether refusals, of every kernel in this process, leave out the reason in
// words, which takes longer than the call. It is for who makes millions and reads none.
func Terse(yes bool) { terse.Store(yes) }

var terse atomic.Bool

// answer completes a refusal with the name of the command, as it was in the kernel's
// release.
func (k *Kernel) answer(op mprog.Op, err error) error {
	e, ok := err.(*mprog.Error)
	if !ok {
		return err
	}
	e.Op = op
	if k.code != nil {
		if e.Rule == byCode {
			e.Rule = ""
			return e
		}
		k.staged(op)
	}
	if then := earlier[e.Rule]; then != nil && k.running.Before(then.Until) {
		e.Extack = then.Extack
	}
	return e
}

// The bytes of bpf_attr.
var (
	attrSize = rule("attr/size", mprog.E2BIG,
		"A bpf_attr may not be larger than a page.", "bpf_check_uarg_tail_zero")
	attrUnknown = rule("attr/unknown", mprog.E2BIG,
		"Bytes of bpf_attr that this kernel does not know must be zero.", "bpf_check_uarg_tail_zero")
	attrTail = rule("attr/tail", mprog.EINVAL,
		"Bytes of bpf_attr behind the command's last field must be zero.", "CHECK_ATTR").
		passing("size $1: nothing behind the fields")
)

// What every command that names a hook or a program checks.
var (
	needNetAdmin = rule("capability/net-admin", mprog.EPERM,
		"To query a hook, or to detach without naming a program, takes CAP_NET_ADMIN or, from Linux 6.9 on for a query, CAP_SYS_ADMIN.",
		"bpf_net_capable").
		passing("the caller has CAP_NET_ADMIN or CAP_SYS_ADMIN")
	needSysAdmin = rule("capability/sys-admin", mprog.EPERM,
		"To open an object by its id, or to list ids, takes CAP_SYS_ADMIN.",
		"bpf_prog_get_fd_by_id, bpf_link_get_fd_by_id, bpf_obj_get_next_id").
		passing("the caller has CAP_SYS_ADMIN")
	attachTypeUnknown = rule("attach-type/unknown", mprog.EINVAL,
		"The attach type must be one that the kernel knows and that takes programs of this type.",
		"attach_type_to_prog_type, bpf_prog_query")
	attachTypeCgroup = rule("attach-type/cgroup", mprog.EBADF,
		"With the attach type of a cgroup, 0 among them, target_ifindex must be the fd of a cgroup.",
		"cgroup_bpf_prog_detach, cgroup_bpf_prog_query").
		passing("fd $1 is of a cgroup")
	attachTypeMismatch = rule("attach-type/mismatch", mprog.EINVAL,
		"A link's attach type must fit the program's type.", "bpf_prog_attach_check_attach_type").
		passing("attach type $t1 fits the program")
	attachTypeNotBuilt = rule("attach-type/not-built", mprog.EINVAL,
		"The kernel must have been built with the hook's subsystem.",
		"include/net/netkit.h, include/net/tcx.h")
	flagsUnknown = rule("flags/unknown", mprog.EINVAL,
		"Attaching and detaching programs take no flags but REPLACE, BEFORE, AFTER, ID and LINK.",
		"bpf_prog_attach, bpf_prog_detach").
		passing("flags $f1 are known")
	progBadFD = rule("prog/bad-fd", mprog.EBADF,
		"The program's fd must be open.", "bpf_prog_get")
	progNotProg = rule("prog/not-a-program", mprog.EINVAL,
		"The program's fd must be a program's.", "bpf_prog_get").
		passing("fd $1 is program id $2")
	progType = rule("prog/type", mprog.EINVAL,
		"Only programs of type SCHED_CLS attach to netkit and tcx hooks.", "bpf_prog_get_type").
		passing("it is of type SCHED_CLS")
	deviceNone = rule("device/none", mprog.ENODEV,
		"The ifindex must be a device's in the caller's network namespace.",
		"netkit_dev_fetch, tcx_prog_attach").
		passing("a device has ifindex $1")
	deviceNotNetkit = rule("device/not-netkit", mprog.ENXIO,
		"The device of a netkit hook must be a netkit device.", "netkit_dev_fetch")
	devicePeerIfindex = rule("device/peer-ifindex", mprog.EACCES,
		"Both hooks of a netkit pair are addressed through the ifindex of its primary device.",
		"netkit_dev_fetch")
	deviceSingle = rule("device/single", mprog.EOPNOTSUPP,
		"A netkit device without a peer has no hooks.", "netkit_dev_fetch").
		passing("ifindex $1 is the primary device of a netkit pair, ifindex $2 its peer").from(7, 1)
	replaceBadFD = rule("replace/bad-fd", mprog.EBADF,
		"With REPLACE, replace_bpf_fd must be open.", "netkit_prog_attach, tcx_prog_attach")
	replaceNotProg = rule("replace/not-a-program", mprog.EINVAL,
		"With REPLACE, replace_bpf_fd must be a program's.", "netkit_prog_attach, tcx_prog_attach").
		passing("fd $1 is program id $2")
	replaceType = rule("replace/type", mprog.EINVAL,
		"The program replaced must have the type of the new one.", "netkit_prog_attach, tcx_prog_attach").
		passing("it has the type of the new program")
)

// The algorithm of kernel/bpf/mprog.c.
var (
	detachReplace = rule("detach/replace", mprog.EINVAL,
		"REPLACE has no meaning when detaching.", "bpf_mprog_detach").
		passing("replace is not asked for")
	revisionStale = rule("revision/stale", mprog.ESTALE,
		"A nonzero expected_revision must be the hook's revision.", "bpf_mprog_attach, bpf_mprog_detach").
		passing("expected revision $1 (0 is any), hook is at $2")
	attachDuplicate = rule("attach/duplicate", mprog.EEXIST,
		"A program can be on a hook only once.", "bpf_mprog_exists").
		passing("program id $1 is not on the hook")
	detachEmpty = rule("detach/empty", mprog.ENOENT,
		"Nothing can be detached from an empty hook.", "netkit_prog_detach, tcx_prog_detach, bpf_mprog_detach").
		passing("the hook has $1 programs")
	relativeLinkID = rule("relative/link-id", mprog.ENOENT,
		"With LINK and ID, relative_id must be a link's id.", "bpf_link_by_id")
	linkUnsettled = rule("link/unsettled", mprog.EAGAIN,
		"A link that is still being created is not found by its id yet.", "bpf_link_by_id")
	relativeLinkZero = rule("relative/link-zero", mprog.EINVAL,
		"With LINK alone, relative_fd may not be 0.", "bpf_mprog_link")
	relativeProgID = rule("relative/prog-id", mprog.ENOENT,
		"With ID and without LINK, relative_id must be a program's id.", "bpf_prog_by_id")
	relativeBadFD = rule("relative/bad-fd", mprog.EBADF,
		"A relative_fd must be open.", "bpf_link_get_from_fd, bpf_prog_get")
	relativeNotLink = rule("relative/not-a-link", mprog.EINVAL,
		"With LINK, relative_fd must be a link's.", "bpf_link_get_from_fd").
		passing("fd $1 is link id $2")
	relativeNotProg = rule("relative/not-a-program", mprog.EINVAL,
		"Without LINK, relative_fd must be a program's.", "bpf_prog_get").
		passing("fd $1 is program id $2")
	relativeType = rule("relative/type", mprog.EINVAL,
		"The relative object's program must have the type of the program attached or detached.",
		"bpf_mprog_link, bpf_mprog_prog")
	replaceAbsent = rule("replace/not-attached", mprog.ENOENT,
		"The program replaced must be on the hook; a new link has none to replace.", "bpf_mprog_pos_exact")
	replaceOwned = rule("replace/owned-by-link", mprog.EBUSY,
		"A program that a link attached is replaced only through that link.", "bpf_mprog_pos_exact").
		passing("program id $1, to be replaced, is at position $2")
	attachFull = rule("attach/full", mprog.ERANGE,
		"A hook holds at most 63 programs.", "bpf_mprog_attach").
		passing("the hook has $1 programs, at most 63 fit")
	detachAbsent = rule("detach/not-attached", mprog.ENOENT,
		"The program to detach must be on the hook.", "bpf_mprog_pos_exact").
		passing("program id $1, to be detached, is at position $2")
	detachOwned = rule("detach/owned-by-link", mprog.EBUSY,
		"A program that a link attached is detached only through that link.",
		"bpf_mprog_pos_exact, bpf_mprog_fetch")
	relativeAbsent = rule("relative/not-attached", mprog.ENOENT,
		"The relative object must be on the hook; a link must match itself, a program whatever owns it.",
		"bpf_mprog_pos_before, bpf_mprog_pos_after")
	positionDisagree = rule("position/disagree", mprog.ERANGE,
		"The program named, BEFORE and AFTER must all say the same position.",
		"bpf_mprog_attach, bpf_mprog_detach")
	positionNone = rule("position/none", mprog.EINVAL,
		"A relative object or a flag needs REPLACE, BEFORE or AFTER to say where.",
		"bpf_mprog_attach, bpf_mprog_detach").
		passing("no side is asked for: position $1, behind the last")
	positionRange = rule("position/range", mprog.ERANGE,
		"Behind the last of 63 programs is no position, not even to detach the last.", "bpf_mprog_detach")
)

// Links.
var (
	linkBadFD = rule("link/bad-fd", mprog.EBADF,
		"The link's fd must be open.", "bpf_link_get_from_fd")
	linkNotLink = rule("link/not-a-link", mprog.EINVAL,
		"The link's fd must be a link's.", "bpf_link_get_from_fd").
		passing("fd $1 is link id $2")
	updateFlags = rule("link-update/flags", mprog.EINVAL,
		"Updating a link takes no flag but REPLACE.", "link_update").
		passing("flags $f1 are known")
	updateOldBadFD = rule("link-update/old-bad-fd", mprog.EBADF,
		"With REPLACE, old_prog_fd must be open.", "link_update")
	updateOldNotProg = rule("link-update/old-not-a-program", mprog.EINVAL,
		"With REPLACE, old_prog_fd must be a program's.", "link_update").
		passing("fd $1 is program id $2")
	updateOldSet = rule("link-update/old-without-replace", mprog.EINVAL,
		"Without REPLACE, old_prog_fd must be 0.", "link_update").
		passing("old_prog_fd is 0")
	updateDefunct = rule("link-update/defunct", mprog.ENOLINK,
		"A link that was detached, or whose device is gone, cannot be updated.",
		"netkit_link_update, tcx_link_update").
		passing("link id $1 is on a hook, with program id $2")
	updateOldWrong = rule("link-update/old-is-not-current", mprog.EPERM,
		"The old program given must be the link's program.", "netkit_link_update, tcx_link_update")
)

// XDP programs, by links or by rtnetlink.
var (
	xdpDeviceNone = rule("xdp/device", mprog.EINVAL,
		"The ifindex must be a device's in the caller's network namespace.", "bpf_xdp_link_attach")
	xdpNoDevice = rule("xdp/no-device", mprog.ENODEV,
		"To rtnetlink a device that there is not is ENODEV.", "do_setlink")
	xdpUnknownFlags = rule("xdp/unknown-flags", mprog.EINVAL,
		"rtnetlink takes no flags but those of modes, of a program that may not be there, and of one that must.", "do_setlink")
	xdpTwoModes = rule("xdp/two-modes", mprog.EINVAL,
		"rtnetlink takes one mode at most.", "do_setlink")
	xdpNotExpected = rule("xdp/not-expected", mprog.EINVAL,
		"To replace a program takes the one that is expected.", "do_setlink")
	xdpType = rule("xdp/type", mprog.EINVAL,
		"The program must be an XDP program.", "bpf_prog_get_type_dev")
	xdpFlags = rule("xdp/flags", mprog.EINVAL,
		"A link of an XDP program takes no flag but one that says the mode: generic, driver or hardware.", "dev_xdp_attach")
	xdpBusy = rule("xdp/busy", mprog.EBUSY,
		"A link's program stays, also where another link or rtnetlink wants to attach one of the same mode.", "dev_xdp_attach").
		saying("Can't replace active BPF XDP link")
	xdpBusyProgram = rule("xdp/busy-program", mprog.EBUSY,
		"A link takes no place that rtnetlink has given to a program.", "dev_xdp_attach")
	xdpNotCurrent = rule("xdp/not-current", mprog.EEXIST,
		"The program that is expected must be the one in place, in the same mode.", "dev_xdp_attach").
		saying("Active program does not match expected")
	xdpThere = rule("xdp/there", mprog.EBUSY,
		"A program that may not replace another does not.", "dev_xdp_attach").
		saying("XDP program already attached")
	xdpOtherMode = rule("xdp/other-mode", mprog.EEXIST,
		"A program of the driver and a generic one exclude each other.", "dev_xdp_attach").
		saying("Native and generic XDP can't be active at the same time")
	xdpForDevmap = rule("xdp/for-devmap", mprog.EINVAL,
		"A program that is loaded for elements of a map of devices cannot be a device's.", "dev_xdp_attach").
		saying("BPF_XDP_DEVMAP programs can not be attached to a device")
	xdpForCPUmap = rule("xdp/for-cpumap", mprog.EINVAL,
		"Nor can one for elements of a map of CPUs.", "dev_xdp_attach").
		saying("BPF_XDP_CPUMAP programs can not be attached to a device")
	xdpNotOffloaded = rule("xdp/hardware", mprog.EINVAL,
		"XDP in the hardware takes a program that is loaded for it, where the driver has XDP: that of netkit does, since Linux 7.1.", "dev_xdp_attach")
	xdpNetkit = rule("xdp/netkit", mprog.EOPNOTSUPP,
		"Linux 7.1 and later take XDP on a netkit device without a mode as one for the driver, which takes none.", "netkit_xdp")
	xdpNative = rule("xdp/native", mprog.EOPNOTSUPP,
		"To run XDP in the driver or the hardware, the driver must have it; that of lo does not.", "dev_xdp_attach").
		saying("Underlying driver does not support XDP in native mode")
	updateType = rule("link-update/type", mprog.EINVAL,
		"The new program of an XDP link must be an XDP program.", "bpf_xdp_link_update")
)

// Queries and other calls.
var (
	queryFlags = rule("query/flags", mprog.EINVAL,
		"A query takes no flags.", "bpf_prog_query, bpf_mprog_query").
		passing("no flags are asked for")
	queryAddress = rule("query/address", mprog.EFAULT,
		"The arrays must be writable memory, as long as count says.", "bpf_mprog_query")
	queryNoSpace = rule("query/no-space", mprog.ENOSPC,
		"An array too short gets the first entries and the full count.", "bpf_mprog_query")
	infoBadFD = rule("info/bad-fd", mprog.EBADFD,
		"The fd must be open; this one command says EBADFD, not EBADF.", "bpf_obj_get_info_by_fd")
	infoNotObject = rule("info/not-an-object", mprog.EINVAL,
		"The fd must be a BPF object's.", "bpf_obj_get_info_by_fd")
	closeBadFD = rule("close/bad-fd", mprog.EBADF,
		"The fd must be open.", "close")
	dupBadFD = rule("dup/bad-fd", mprog.EBADF,
		"The fd must be open.", "dup")
)
