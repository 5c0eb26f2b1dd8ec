package fake

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// Release is a version of Linux that the fake can be: one of its stable updates,
// such as 6.12.111, or without a third number the newest update known. The zero value is none.
type Release struct {
	major, minor int
	update       int // the third number and 1; 0 if there is none
}

// Newest is the newest release known, and what [New] makes without options.
var Newest = Version(7, 3)

// ParseRelease reads a version such as 6.12 or 6.12.111, or a longer one as uname(2)
// gives it, such as 6.12.117-amd64. The error says which ones are known: a kernel
// newer than any of them may have other rules. An update newer than those known is
// taken for the newest.
func ParseRelease(s string) (Release, error) {
	m := version.FindStringSubmatch(s)
	if m == nil {
		return Release{}, fmt.Errorf("%w: Linux %q: expected a version such as %s or 6.12.111", mprog.ErrUnsupported, s, Newest)
	}
	var n [3]int
	for i, digits := range m[1:] {
		n[i], _ = strconv.Atoi(digits) // "" is 0
	}
	r := Version(n[0], n[1])
	if m[3] != "" {
		r = r.Update(n[2])
	}
	if oldest := generations[0].since.line(); Newest.Before(r) || r.Before(oldest) {
		return Release{}, fmt.Errorf("%w: Linux %s: known are %s to %s", mprog.ErrUnsupported, s, oldest, Newest)
	}
	return r, nil
}

// version is what [ParseRelease] reads; more digits are no number of a release.
var version = regexp.MustCompile(`^(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?:[^\d.].*)?$`)

// Version returns the release with two numbers, known or not: the newest update of it.
func Version(major, minor int) Release { return Release{major: major, minor: minor} }

// Update returns the release's nth stable update: 0 is the release itself.
func (r Release) Update(n int) Release { return Release{r.major, r.minor, n + 1} }

// line returns the release whose update this one is.
func (r Release) line() Release { return Version(r.major, r.minor) }

// Linux is for [New] with a version that is a constant, such as "6.12" or "6.12.111". It
// panics when [ParseRelease] refuses the version; use that and [Running] for any other.
func Linux(version string) Option {
	r, err := ParseRelease(version)
	if err != nil {
		panic("fake: " + err.Error())
	}
	return Running(r)
}

// Running makes a kernel of a release.
func Running(r Release) Option {
	return func(k *Kernel) { k.running = r }
}

// String returns for example 6.12, or 6.12.111.
func (r Release) String() string {
	if r.update == 0 {
		return fmt.Sprintf("%d.%d", r.major, r.minor)
	}
	return fmt.Sprintf("%d.%d.%d", r.major, r.minor, r.update-1)
}

// Known returns the newest update of the release that was seen, which is what a release
// without a third number is. Where none was, and of what has a third number, it is the same.
func (r Release) Known() Release {
	for _, g := range generations {
		if g.newest != 0 && r == g.since.line() {
			return r.Update(g.newest)
		}
	}
	return r
}

// Running returns the kernel's release.
func (k *Kernel) Running() Release { return k.running }

// Before reports whether the release is older than another one. One without a third
// number is neither older nor newer than its updates.
func (r Release) Before(other Release) bool {
	switch {
	case r.major != other.major:
		return r.major < other.major
	case r.minor != other.minor:
		return r.minor < other.minor
	}
	return r.update != 0 && r.update < other.update
}

// Release names the kernel for a report: its release and what it is built with
// or without that the release is not.
func (k *Kernel) Release() string {
	s := k.running.Known().String()
	for _, f := range mprog.Features {
		if has := !k.missing[f]; has != k.release.has(f) {
			s += map[bool]string{true: " with ", false: " without "}[has] + string(f)
		}
	}
	return s + " (simulated)"
}

// Facts are what callers of bpf(2) and rtnetlink can tell of a release that mprog hooks
// do not depend on.
type Facts struct {
	MapInfo     uint32 // sizeof(struct bpf_map_info)
	SHA256      bool   // a program's tag is of SHA-256, no longer of SHA-1
	NetkitScrub bool   // IFLA_NETKIT_SCRUB and PEER_SCRUB
	CPUFlags    bool   // BPF_F_CPU and BPF_F_ALL_CPUS, for one value of a per-CPU map
	KeylessHash bool   // hashes may have BTF of their values alone; of these generations alone
	NetkitRoom  bool   // IFLA_NETKIT_HEADROOM and TAILROOM, which others ignore
}

// Facts returns what is known of the release.
func (r Release) Facts() Facts { return r.generation().Facts }

// generation is what the releases from one on have in common, as far as a caller
// of bpf(2) can tell. A stable update is the first of a generation within its release.
type generation struct {
	since       Release
	newest      int              // the newest stable update of the release that was seen; 0 for none
	features    []mprog.Feature  // that may be built in
	attrSize    uint32           // sizeof(union bpf_attr)
	attachEnd   uint32           // of the last field of BPF_PROG_ATTACH
	detachEnd   uint32           // of BPF_PROG_DETACH's
	queryEnd    uint32           // of BPF_PROG_QUERY's
	linkEnd     uint32           // of BPF_LINK_CREATE's
	loadEnd     uint32           // of BPF_PROG_LOAD's
	pinEnd      uint32           // of BPF_OBJ_PIN's and BPF_OBJ_GET's
	btfEnd      uint32           // of BPF_BTF_GET_FD_BY_ID's
	mapEnd      uint32           // of BPF_MAP_CREATE's
	commands    uint32           // how many there are (__MAX_BPF_CMD)
	types       mprog.AttachType // from where on no attach type belongs to a program type or cgroups
	commonAttrs bool             // BPF_COMMON_ATTRS may be set in a command
	sizeFirst   bool             // the size is checked before the capability to make maps and programs
	licenseLast bool             // BPF_PROG_LOAD reads the license behind its other checks of zeros
	adminReads  bool             // CAP_SYS_ADMIN stands for CAP_NET_ADMIN in a query
	noIDsLeft   bool             // ENOSPC where the kernel has no priority left to choose, no longer EINVAL
	driverFirst bool             // XDP in the driver is refused for want of a driver's before another mode's is looked for
	detachAsks  bool             // without CAP_NET_ADMIN, what to detach has to be named
	Facts
	what   string
	source string // where it was seen: a commit, a package of a distribution, a kernel that ran
}

// preorder is BPF_F_PREORDER on cgroups. No trace asks for it: releases that have
// positions there have it.
const preorder mprog.Feature = "preorder"

// generations is section "versions" of docs/semantics.md. Each tells what is new.
var generations = []generation{
	{
		since: Version(6, 1), newest: 192,
		features: []mprog.Feature{mprog.FeatureVeth, mprog.FeatureDummy, mprog.FeatureClsact, mprog.FeatureCgroup},
		attrSize: 144, attachEnd: 20, detachEnd: 12, queryEnd: 40, linkEnd: 48, loadEnd: 140, pinEnd: 16, btfEnd: 4, mapEnd: 72, commands: 36, types: 44,
		Facts: Facts{MapInfo: 88},
		what:  "neither tcx nor netkit: their attach types are unknown", source: "6.1.192",
	},
	{
		since: Version(6, 1).Update(192), driverFirst: true,
		what: "XDP that a driver does not have is EOPNOTSUPP also beside a generic program, from this update on or from an earlier one", source: "6.1.192",
	},
	{
		since: Version(6, 6), features: []mprog.Feature{mprog.FeatureTCX},
		attachEnd: 32, detachEnd: 32, queryEnd: 64, linkEnd: 60, loadEnd: 144, pinEnd: 20, types: 49, sizeFirst: true, licenseLast: true,
		what: "mprog and tcx: relative_fd and expected_revision, revision of a query; the order of checks of BPF_PROG_LOAD; " +
			"anyone may detach without naming a program", source: "the source of 6.6",
	},
	{
		since: Version(6, 7), features: []mprog.Feature{mprog.FeatureNetkit}, types: 54,
		what: "netkit", source: "the source of 6.7",
	},
	{
		since: Version(6, 9), attrSize: 152, loadEnd: 148, mapEnd: 80, commands: 37, adminReads: true,
		what: "BPF tokens: bpf_attr is 152 bytes long, BPF_TOKEN_CREATE; CAP_SYS_ADMIN is enough to query", source: "believed; 6.12 has it",
	},
	{
		since: Version(6, 12), newest: 118,
		what: "nothing", source: "6.12.95",
	},
	{
		since: Version(6, 12).Update(4), Facts: Facts{NetkitScrub: true},
		what: "netkit: SCRUB and PEER_SCRUB", source: "changelog of Debian's 6.12.5-1",
	},
	{
		since: Version(6, 12).Update(31), features: []mprog.Feature{preorder},
		what: "PREORDER on cgroups", source: "changelog of Debian's 6.12.32-1",
	},
	{
		since: Version(6, 12).Update(110), features: []mprog.Feature{mprog.FeatureCgroupMprog},
		what: "positions and revisions on cgroups", source: "changelog of Debian's 6.12.111-1",
	},
	{
		since: Version(6, 12).Update(113), driverFirst: true,
		what: "XDP that a driver does not have is EOPNOTSUPP also beside a generic program, from this update on or from an earlier one", source: "6.12.113",
	},
	{
		since: Version(6, 12).Update(114), detachAsks: true,
		what: "to detach without naming a program takes CAP_NET_ADMIN", source: "ae23bc81ddf7, changelog of Debian's 6.12.115-1",
	},
	{
		since: Version(6, 13), Facts: Facts{NetkitScrub: true},
		what: "netkit: SCRUB and PEER_SCRUB", source: "6.12.4, to which it was taken back",
	},
	{
		since: Version(6, 14), Facts: Facts{NetkitRoom: true},
		what: "netkit: HEADROOM and TAILROOM", source: "believed; 6.16.12 has it, 6.12.118 has not",
	},
	{
		since: Version(6, 15), features: []mprog.Feature{preorder},
		what: "PREORDER on cgroups", source: "believed; 6.16.12 has it",
	},
	{
		since: Version(6, 16), newest: 12, loadEnd: 152, btfEnd: 16, noIDsLeft: true,
		what: "ENOSPC for a filter where no priority is left to choose", source: "6.16.12",
	},
	{
		since: Version(6, 17), newest: 13, features: []mprog.Feature{mprog.FeatureCgroupMprog}, commands: 38,
		what: "positions and revisions on cgroups; BPF_PROG_STREAM_READ_BY_FD", source: "6.17.13",
	},
	{
		since: Version(6, 18), newest: 44, attrSize: 168, loadEnd: 168, mapEnd: 92, Facts: Facts{MapInfo: 104, SHA256: true},
		what: "signed programs: bpf_attr is 168 bytes long, information about a map 104; tags of SHA-256", source: "6.18.15",
	},
	{
		since: Version(6, 18).Update(8), detachAsks: true,
		what: "to detach without naming a program takes CAP_NET_ADMIN, from this update on or from a later one", source: "ae23bc81ddf7, which is newer than 6.18.7; 6.18.15 has it",
	},
	{
		since: Version(7, 0), newest: 13, commands: 39, types: 59, detachAsks: true,
		Facts: Facts{CPUFlags: true, KeylessHash: true},
		what:  "BPF_F_CPU and BPF_F_ALL_CPUS; hashes with types of values alone; an attach type of tracing, 58; BPF_PROG_ASSOC_STRUCT_OPS; to detach without naming a program takes CAP_NET_ADMIN", source: "7.0.13",
	},
	{
		since: Version(7, 1), newest: 13, features: []mprog.Feature{mprog.FeatureSingle},
		Facts: Facts{KeylessHash: true},
		what:  "netkit devices without a peer, which take no programs; XDP without a mode is refused on netkit", source: "7.1.13",
	},
	{
		since: Version(7, 2), newest: 13, linkEnd: 64, types: 62, commonAttrs: true, driverFirst: true,
		what: "no hashes with types of values alone; XDP that a driver does not have is EOPNOTSUPP also beside a generic program; BPF_COMMON_ATTRS may be set in a command; BPF_LINK_CREATE knows bytes up to 64; attach types up to 61", source: "7.2.13",
	},
	{
		since: Version(7, 3), newest: 4,
		what: "nothing", source: "7.3.4",
	},
}

// Releases returns the releases and stable updates at which something changes, and the
// newest one, from the oldest on. Those between are known, too.
func Releases() []Release {
	var list []Release
	for _, g := range generations {
		list = append(list, g.since)
	}
	return list
}

// generation returns what the release is one of.
func (r Release) generation() *generation {
	g := new(generation)
	for _, later := range generations {
		ofLine := later.since.update == 0 || later.since.line() == r.line()
		if ofLine && !r.Before(later.since) {
			g.become(later)
		}
	}
	return g
}

// become adds what is new.
func (g *generation) become(later generation) {
	g.features = slices.Concat(g.features, later.features)
	g.attrSize = max(g.attrSize, later.attrSize)
	g.attachEnd = max(g.attachEnd, later.attachEnd)
	g.detachEnd = max(g.detachEnd, later.detachEnd)
	g.queryEnd = max(g.queryEnd, later.queryEnd)
	g.linkEnd = max(g.linkEnd, later.linkEnd)
	g.loadEnd = max(g.loadEnd, later.loadEnd)
	g.pinEnd = max(g.pinEnd, later.pinEnd)
	g.btfEnd = max(g.btfEnd, later.btfEnd)
	g.mapEnd = max(g.mapEnd, later.mapEnd)
	g.commands = max(g.commands, later.commands)
	g.types = max(g.types, later.types)
	g.commonAttrs = g.commonAttrs || later.commonAttrs
	g.sizeFirst = g.sizeFirst || later.sizeFirst
	g.licenseLast = g.licenseLast || later.licenseLast
	g.adminReads = g.adminReads || later.adminReads
	g.noIDsLeft = g.noIDsLeft || later.noIDsLeft
	g.driverFirst = g.driverFirst || later.driverFirst
	g.detachAsks = g.detachAsks || later.detachAsks
	g.MapInfo = max(g.MapInfo, later.MapInfo)
	g.SHA256 = g.SHA256 || later.SHA256
	g.NetkitScrub = g.NetkitScrub || later.NetkitScrub
	g.CPUFlags = g.CPUFlags || later.CPUFlags
	g.KeylessHash = later.KeylessHash
	g.NetkitRoom = g.NetkitRoom || later.NetkitRoom
}

// has reports whether kernels of the generation have a feature, built in.
func (g *generation) has(f mprog.Feature) bool { return slices.Contains(g.features, f) }

// lastField returns where a command's last field ends (BPF_PROG_ATTACH_LAST_FIELD
// and so on), which may be behind the fields that mprog hooks use, and whether
// there is such a command.
func (g *generation) lastField(cmd attr.Command) (end uint32, known bool) {
	switch cmd {
	case attr.ProgAttach:
		return g.attachEnd, true
	case attr.ProgDetach:
		return g.detachEnd, true
	case attr.ProgQuery:
		return g.queryEnd, true
	case attr.LinkCreate:
		return g.linkEnd, true
	case cmdProgLoad:
		return g.loadEnd, true
	case attr.ObjPin, attr.ObjGet:
		return g.pinEnd, true
	case cmdBTFGetFDByID:
		return g.btfEnd, true
	case cmdMapCreate:
		return g.mapEnd, true
	}
	if cmd >= attr.Command(min(g.commands, uint32(len(lastFields)))) {
		return 0, false
	}
	return lastFields[cmd], true
}

// lastFields are the ends of the other commands' last fields. Where releases
// differ, and no hook is concerned, they are the newest's.
var lastFields = [...]uint32{
	1: 32, 2: 32, 3: 16, 4: 24, // maps
	10: 76,                              // BPF_PROG_TEST_RUN: test.batch_size
	11: 8, 12: 8, 13: 4, 14: 12, 15: 16, // ids; info.info
	17: 24, 18: 40, // BPF_RAW_TRACEPOINT_OPEN, BPF_BTF_LOAD
	20: 48, 21: 32, 22: 4, 23: 8, // BPF_TASK_FD_QUERY, maps, BPF_BTF_GET_NEXT_ID
	24: 56, 25: 56, 26: 56, 27: 56, // batches: batch.flags
	29: 16, 30: 4, 31: 8, 32: 4, 33: 8, 34: 4, // links; BPF_ENABLE_STATS, BPF_ITER_CREATE
	35: 12, 36: 8, 37: 20, 38: 12,
}

// AttrSize is the size of the release's union bpf_attr in bytes.
func (r Release) AttrSize() uint32 { return r.generation().attrSize }

// Commands is how many commands of bpf(2) the release has.
func (r Release) Commands() int { return int(r.generation().commands) }
