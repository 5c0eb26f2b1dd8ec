package fake

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// Release is a version of Linux that the fake can be. The zero value is none.
type Release struct{ major, minor int }

// Newest is the newest release known, and what [New] makes without options.
var Newest = Release{7, 3}

// ParseRelease reads a version such as 6.12, or a longer one as uname(2) gives
// it, such as 6.12.117-amd64. The error says which ones are known: a kernel
// newer than any of them may have other rules.
func ParseRelease(s string) (Release, error) {
	major, rest, _ := strings.Cut(s, ".")
	end := strings.IndexFunc(rest, func(c rune) bool { return c < '0' || c > '9' })
	if end < 0 {
		end = len(rest)
	}
	r := Release{}
	var err1, err2 error
	r.major, err1 = strconv.Atoi(major)
	r.minor, err2 = strconv.Atoi(rest[:end])
	switch oldest := generations[0].since; {
	case err1 != nil || err2 != nil || r.major < 0:
		return Release{}, fmt.Errorf("%w: Linux %q: expected a version such as %s", mprog.ErrUnsupported, s, Newest)
	case Newest.Before(r) || r.Before(oldest):
		return Release{}, fmt.Errorf("%w: Linux %s: known are %s to %s", mprog.ErrUnsupported, s, oldest, Newest)
	}
	return r, nil
}

// Version returns the release with two numbers, known or not.
func Version(major, minor int) Release { return Release{major, minor} }

// Linux is for [New] with a version that is a constant, such as "6.12". It panics
// when [ParseRelease] refuses the version; use that and [Running] for any other.
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

// String returns for example 6.12.
func (r Release) String() string { return fmt.Sprintf("%d.%d", r.major, r.minor) }

// Running returns the kernel's release.
func (k *Kernel) Running() Release { return k.running }

// Before reports whether the release is older than another one.
func (r Release) Before(other Release) bool {
	return r.major < other.major || r.major == other.major && r.minor < other.minor
}

// Release names the kernel for a report: its release and what it is built with
// or without that the release is not.
func (k *Kernel) Release() string {
	s := k.running.String()
	for _, f := range mprog.Features {
		if has := !k.missing[f]; has != k.release.has(f) {
			s += map[bool]string{true: " with ", false: " without "}[has] + string(f)
		}
	}
	return s + " (simulated)"
}

// generation is what the releases from one on have in common, as far as a caller
// of bpf(2) can tell.
type generation struct {
	since       Release
	features    []mprog.Feature  // that may be built in
	lacks       []mprog.Feature  // that an earlier one had, from a stable update
	attrSize    uint32           // sizeof(union bpf_attr)
	attachEnd   uint32           // of the last field of BPF_PROG_ATTACH
	detachEnd   uint32           // of BPF_PROG_DETACH's
	queryEnd    uint32           // of BPF_PROG_QUERY's
	linkEnd     uint32           // of BPF_LINK_CREATE's
	loadEnd     uint32           // of BPF_PROG_LOAD's
	pinEnd      uint32           // of BPF_OBJ_PIN's and BPF_OBJ_GET's
	btfEnd      uint32           // of BPF_BTF_GET_FD_BY_ID's
	commands    uint32           // how many there are (__MAX_BPF_CMD)
	types       mprog.AttachType // from where on no attach type belongs to a program type or cgroups
	commonAttrs bool             // BPF_COMMON_ATTRS may be set in a command
	sizeFirst   bool             // the size is checked before the capability to make maps and programs
	licenseLast bool             // BPF_PROG_LOAD reads the license behind its other checks of zeros
	adminReads  bool             // CAP_SYS_ADMIN stands for CAP_NET_ADMIN in a query
	noIDsLeft   bool             // ENOSPC where the kernel has no priority left to choose, no longer EINVAL
	driverFirst bool             // XDP in the driver is refused for want of a driver's before another mode's is looked for; of this generation alone
	anyDetaches bool             // without CAP_NET_ADMIN, what to detach need not be named; of this generation alone
	what        string
}

// preorder is BPF_F_PREORDER on cgroups. No trace asks for it: releases that have
// positions there have it.
const preorder mprog.Feature = "preorder"

// generations is section "versions" of docs/semantics.md. Each tells what is new.
var generations = []generation{
	{
		since: Release{6, 1}, features: []mprog.Feature{mprog.FeatureVeth, mprog.FeatureDummy, mprog.FeatureClsact, mprog.FeatureCgroup},
		driverFirst: true,
		attrSize:    144, attachEnd: 20, detachEnd: 12, queryEnd: 40, linkEnd: 48, loadEnd: 140, pinEnd: 16, btfEnd: 4, commands: 36, types: 44,
		what: "neither tcx nor netkit: their attach types are unknown",
	},
	{
		since: Release{6, 6}, features: []mprog.Feature{mprog.FeatureTCX},
		attachEnd: 32, detachEnd: 32, queryEnd: 64, linkEnd: 60, loadEnd: 144, pinEnd: 20, types: 49, sizeFirst: true, licenseLast: true,
		what: "mprog and tcx: relative_fd and expected_revision, revision of a query; the order of checks of BPF_PROG_LOAD",
	},
	{
		since: Release{6, 7}, features: []mprog.Feature{mprog.FeatureNetkit}, types: 54,
		what: "netkit",
	},
	{
		since: Release{6, 9}, attrSize: 152, loadEnd: 148, commands: 37, adminReads: true,
		what: "BPF tokens: bpf_attr is 152 bytes long, BPF_TOKEN_CREATE; CAP_SYS_ADMIN is enough to query",
	},
	{
		since: Release{6, 12}, features: []mprog.Feature{mprog.FeatureCgroupMprog, preorder}, driverFirst: true,
		what: "positions and revisions on cgroups, and PREORDER, from 6.12.111 on; XDP that a driver does not have is EOPNOTSUPP also beside a generic program, by 6.12.113 and 6.1.192",
	},
	{
		since: Release{6, 13}, lacks: []mprog.Feature{mprog.FeatureCgroupMprog, preorder},
		what: "no positions and revisions on cgroups again",
	},
	{
		since: Release{6, 15}, features: []mprog.Feature{preorder},
		what: "PREORDER",
	},
	{
		since: Release{6, 16}, loadEnd: 152, btfEnd: 16, noIDsLeft: true, anyDetaches: true,
		what: "anyone may detach without naming a program, which was repaired when 6.16 and 6.17 had no updates any more; ENOSPC for a filter where no priority is left to choose",
	},
	{
		since: Release{6, 17}, features: []mprog.Feature{mprog.FeatureCgroupMprog}, anyDetaches: true, commands: 38,
		what: "positions and revisions on cgroups; BPF_PROG_STREAM_READ_BY_FD",
	},
	{
		since: Release{6, 18}, attrSize: 168, loadEnd: 168,
		what: "signed programs: bpf_attr is 168 bytes long",
	},
	{
		since: Release{7, 0}, commands: 39, types: 59,
		what: "an attach type of tracing, 58; BPF_PROG_ASSOC_STRUCT_OPS",
	},
	{
		since: Release{7, 1}, features: []mprog.Feature{mprog.FeatureSingle},
		what: "netkit devices without a peer, which take no programs",
	},
	{
		since: Release{7, 2}, linkEnd: 64, types: 62, commonAttrs: true, driverFirst: true,
		what: "XDP that a driver does not have is EOPNOTSUPP also beside a generic program; BPF_COMMON_ATTRS may be set in a command; BPF_LINK_CREATE knows bytes up to 64; attach types up to 61",
	},
}

// Releases returns the releases at which something changes, and the newest one,
// from the oldest on. Those between are known, too.
func Releases() []Release {
	var list []Release
	for _, g := range generations {
		list = append(list, g.since)
	}
	return slices.Compact(append(list, Newest))
}

// generation returns what the release is one of.
func (r Release) generation() *generation {
	g := new(generation)
	for _, later := range generations {
		if !r.Before(later.since) {
			g.become(later)
		}
	}
	return g
}

// become adds what is new.
func (g *generation) become(later generation) {
	g.since, g.what = later.since, later.what
	g.features = slices.DeleteFunc(slices.Concat(g.features, later.features), func(f mprog.Feature) bool {
		return slices.Contains(later.lacks, f)
	})
	g.attrSize = max(g.attrSize, later.attrSize)
	g.attachEnd = max(g.attachEnd, later.attachEnd)
	g.detachEnd = max(g.detachEnd, later.detachEnd)
	g.queryEnd = max(g.queryEnd, later.queryEnd)
	g.linkEnd = max(g.linkEnd, later.linkEnd)
	g.loadEnd = max(g.loadEnd, later.loadEnd)
	g.pinEnd = max(g.pinEnd, later.pinEnd)
	g.btfEnd = max(g.btfEnd, later.btfEnd)
	g.commands = max(g.commands, later.commands)
	g.types = max(g.types, later.types)
	g.commonAttrs = g.commonAttrs || later.commonAttrs
	g.sizeFirst = g.sizeFirst || later.sizeFirst
	g.licenseLast = g.licenseLast || later.licenseLast
	g.adminReads = g.adminReads || later.adminReads
	g.noIDsLeft = g.noIDsLeft || later.noIDsLeft
	g.anyDetaches, g.driverFirst = later.anyDetaches, later.driverFirst
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
	}
	if cmd >= attr.Command(min(g.commands, uint32(len(lastFields)))) {
		return 0, false
	}
	return lastFields[cmd], true
}

// lastFields are the ends of the other commands' last fields. Where releases
// differ, and no hook is concerned, they are the newest's.
var lastFields = [...]uint32{
	0: 92, 1: 32, 2: 32, 3: 16, 4: 24, // maps
	10: 76,                              // BPF_PROG_TEST_RUN: test.batch_size
	11: 8, 12: 8, 13: 4, 14: 12, 15: 16, // ids; info.info
	17: 24, 18: 40, // BPF_RAW_TRACEPOINT_OPEN, BPF_BTF_LOAD
	20: 48, 21: 32, 22: 4, 23: 8, // BPF_TASK_FD_QUERY, maps, BPF_BTF_GET_NEXT_ID
	24: 56, 25: 56, 26: 56, 27: 56, // batches: batch.flags
	29: 16, 30: 4, 31: 8, 32: 4, 33: 8, 34: 4, // links; BPF_ENABLE_STATS, BPF_ITER_CREATE
	35: 12, 36: 8, 37: 20, 38: 12,
}
