package sim

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// typed loads a program of a type, for an attach type.
func (p *process) typed(typ uint32, at mprog.AttachType) uint32 {
	insns := make([]byte, 2*insnSize)
	insns[0], insns[insnSize] = 0xb7, exit
	attr := make([]byte, 152)
	native.PutUint32(attr, typ)
	native.PutUint32(attr[loadInsnCount:], 2)
	native.PutUint64(attr[loadInsns:], p.put(insns))
	native.PutUint64(attr[loadLicense:], p.put([]byte("GPL\x00")))
	native.PutUint32(attr[loadAttachType:], uint32(at))
	if typ == progTracing || typ == progLSM {
		native.PutUint32(attr[loadAttachBTF:], 1)
	}
	return p.must(5, attr)
}

// words is an attr with 32-bit numbers at offsets.
func words(size int, values map[int]uint32) []byte {
	attr := make([]byte, size)
	for at, v := range values {
		native.PutUint32(attr[at:], v)
	}
	return attr
}

func newInert(t *testing.T, release string) (p *process, told *[]string) {
	told = new([]string)
	p = newProcess(t, Options{Warn: func(line string) { *told = append(*told, line) }})
	p.sim = New(fake.New(fake.Linux(release)), Options{Warn: func(line string) { *told = append(*told, line) }})
	p.targets = map[uint32]Target{
		90: {Kind: CgroupTarget, ID: 4711, Name: "/a"}, 91: {Kind: NetnsTarget, ID: 99},
		92: {Kind: PerfTarget, Perf: &PerfEvent{Kind: PerfKprobe, Name: "tcp_connect"}},
		93: {Kind: PerfTarget, Perf: &PerfEvent{Kind: PerfTracepoint, Name: "sched/sched_switch"}},
	}
	return p, told
}

// The links of each kind: how they are made, of which type they are, and what
// BPF_LINK_UPDATE and BPF_LINK_DETACH say, as Linux 7.3 does.
func TestInertLinks(t *testing.T) {
	for _, test := range []struct {
		name   string
		prog   uint32
		at     mprog.AttachType
		fields map[int]uint32 // of BPF_LINK_CREATE
		typ    uint32
		update mprog.Errno
		detach mprog.Errno
		told   string
	}{
		{"cgroup", progCgroupSkb, 1, map[int]uint32{4: 90}, 3, 0, 0, "cgroup_inet_egress//a"},
		{"sockops", progSockOps, 3, map[int]uint32{4: 90}, 3, 0, 0, "cgroup_sock_ops//a"},
		{"sk_lookup", progSkLookup, skLookup, map[int]uint32{4: 91}, 5, 0, 0, "sk_lookup/netns:[99]"},
		{"flow_dissector", progFlowDissector, flowDissector, map[int]uint32{4: 91}, 5, 0, 0, "flow_dissector/netns:[99]"},
		{"kprobe", progKprobe, attachPerf, map[int]uint32{4: 92}, 7, mprog.EINVAL, mprog.EOPNOTSUPP, "kprobe/tcp_connect"},
		{"tracepoint", progTracepoint, attachPerf, map[int]uint32{4: 93}, 7, mprog.EINVAL, mprog.EOPNOTSUPP, "tracepoint/sched/sched_switch"},
		{"netfilter", progNetfilter, attachNetfilter, map[int]uint32{16: 2, 20: 1, 24: 5}, 10, mprog.EOPNOTSUPP, 0, "netfilter/ipv4:input"},
		{"fentry", progTracing, traceFentry, nil, 2, mprog.EINVAL, mprog.EOPNOTSUPP, "fentry/BTF id 1"},
		{"iterator", progTracing, traceIter, nil, 4, 0, mprog.EOPNOTSUPP, "iter/BTF id 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, told := newInert(t, "7.3")
			prog, second := p.typed(test.prog, test.at), p.typed(test.prog, test.at)
			attr := words(64, test.fields)
			native.PutUint32(attr, prog)
			native.PutUint32(attr[8:], uint32(test.at))
			link := p.must(28, attr)
			assert.Equal(t, []string{test.told + ": attached, never runs"}, *told)

			info := p.put(make([]byte, linkInfoSize))
			get := words(16, map[int]uint32{0: link, 4: linkInfoSize})
			native.PutUint64(get[8:], info)
			_, _, errno := p.call(15, get)
			require.Zero(t, errno)
			got, err := p.at(info, linkInfoSize)
			require.NoError(t, err)
			assert.Equal(t, test.typ, native.Uint32(got))
			assert.Equal(t, p.fds[prog].ID, native.Uint32(got[8:]))

			_, _, errno = p.call(29, words(16, map[int]uint32{0: link, 4: second}))
			assert.Equal(t, test.update, errno, "update")
			_, _, errno = p.call(34, words(4, map[int]uint32{0: link}))
			assert.Equal(t, test.detach, errno, "detach")

			// The link holds its program, and lets it go with its last fd.
			id := p.fds[second].ID
			if test.update != 0 {
				id = p.fds[prog].ID
			}
			p.close(prog)
			p.close(second)
			assert.True(t, p.sim.kernel.HasProg(id))
			p.close(link)
			assert.False(t, p.sim.kernel.HasProg(id))
			assert.Empty(t, p.sim.inert)
			assert.Empty(t, p.sim.programs)
		})
	}
}

// What a release does not have is refused as that release refuses it.
func TestInertReleases(t *testing.T) {
	for _, test := range []struct {
		name, release string
		prog          uint32
		at            mprog.AttachType
		fields        map[int]uint32
		want          mprog.Errno
	}{
		{"kprobe session", "6.6", progKprobe, kprobeSession, nil, mprog.EINVAL},
		{"uprobe multi", "6.1", progKprobe, uprobeMulti, nil, mprog.EINVAL},
		{"netfilter's family", "6.6", progNetfilter, attachNetfilter, map[int]uint32{16: 3}, mprog.EAFNOSUPPORT},
		{"netfilter's hook", "6.6", progNetfilter, attachNetfilter, map[int]uint32{16: 2, 20: 5}, mprog.EPROTO},
		{"a cgroup's fd", "6.12", progCgroupSkb, 0, map[int]uint32{4: 91}, mprog.EBADF},
		{"before, in a cgroup", "6.12.95", progCgroupSkb, 0, map[int]uint32{4: 90, 12: 8}, mprog.EINVAL},
		{"revision, in a cgroup", "7.3", progCgroupSkb, 0, map[int]uint32{4: 90, 24: 77}, mprog.ESTALE},
		{"another attach type", "7.3", progCgroupSkb, 3, map[int]uint32{4: 90}, mprog.EINVAL},
		{"no perf event", "7.3", progKprobe, attachPerf, map[int]uint32{4: 90}, mprog.EBADF},
		{"a perf event of another kind", "7.3", progKprobe, attachPerf, map[int]uint32{4: 93}, mprog.EINVAL},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, told := newInert(t, test.release)
			attr := words(48, test.fields)
			loaded := mprog.AttachType(0)
			if test.prog == progNetfilter {
				loaded = attachNetfilter
			}
			native.PutUint32(attr, p.typed(test.prog, loaded))
			native.PutUint32(attr[8:], uint32(test.at))
			_, _, errno := p.call(28, attr)
			assert.Equal(t, test.want, errno)
			assert.Empty(t, *told)
		})
	}
}

// What is attached to a cgroup without links: modes, the revision, the list, as
// Linux 7.3 answers.
func TestInertCgroup(t *testing.T) {
	const multi, override = 2, 1
	p, _ := newInert(t, "7.3")
	a, b := p.typed(progCgroupSkb, 1), p.typed(progCgroupSkb, 1)
	attach := func(prog, flags, replace uint32) mprog.Errno {
		_, _, errno := p.call(8, words(32, map[int]uint32{0: 90, 4: prog, 8: 1, 12: flags, 16: replace}))
		return errno
	}
	query := func() (ids []uint32, flags uint32, revision uint64) {
		at := p.put(make([]byte, 64))
		attr := words(64, map[int]uint32{0: 90, 4: 1, 24: 16})
		native.PutUint64(attr[16:], at)
		_, address, errno := p.call(16, attr)
		require.Zero(t, errno)
		out, err := p.at(address, 64)
		require.NoError(t, err)
		list, err := p.at(at, 64)
		require.NoError(t, err)
		for i := range native.Uint32(out[24:]) {
			ids = append(ids, native.Uint32(list[4*i:]))
		}
		return ids, native.Uint32(out[12:]), native.Uint64(out[56:])
	}
	idA, idB := p.fds[a].ID, p.fds[b].ID
	assert.Equal(t, mprog.EINVAL, attach(a, multi|override, 0))
	require.Zero(t, attach(a, multi, 0))
	assert.Equal(t, mprog.EINVAL, attach(a, multi, 0), "twice")
	assert.Equal(t, mprog.EPERM, attach(b, 0, 0), "another mode")
	require.Zero(t, attach(b, multi|8, 0), "in front")
	ids, flags, revision := query()
	assert.Equal(t, []uint32{idB, idA}, ids)
	assert.EqualValues(t, multi, flags)
	assert.EqualValues(t, 3, revision)
	require.Zero(t, attach(a, multi|4, a), "by itself")
	_, _, errno := p.call(9, words(32, map[int]uint32{0: 90, 8: 1}))
	assert.Equal(t, mprog.EINVAL, errno, "which one")
	for _, prog := range []uint32{a, b} {
		_, _, errno = p.call(9, words(32, map[int]uint32{0: 90, 4: prog, 8: 1}))
		require.Zero(t, errno)
	}
	ids, _, revision = query()
	assert.Empty(t, ids)
	assert.EqualValues(t, 6, revision)
	p.close(a)
	p.close(b)
	assert.False(t, p.sim.kernel.HasProg(idA))
}

// A user can have kinds refused.
func TestRefuse(t *testing.T) {
	p, told := newInert(t, "7.3")
	p.sim.refused = map[string]mprog.Errno{"cgroup": mprog.ENOMEM}
	_, _, errno := p.call(28, words(64, map[int]uint32{0: p.typed(progCgroupSkb, 1), 4: 90, 8: 1}))
	assert.Equal(t, mprog.ENOMEM, errno)
	assert.Empty(t, *told)
}

// A test run of what is not run is an error, and told where the kernel would run it.
func TestTestRunOfOthers(t *testing.T) {
	p, told := newInert(t, "7.3")
	run := func(typ uint32) mprog.Errno {
		_, _, errno := p.call(10, words(testEnd, map[int]uint32{0: p.typed(typ, 0)}))
		return errno
	}
	assert.Equal(t, mprog.ENOTSUPP, run(progKprobe))
	assert.Empty(t, *told)
	assert.Equal(t, mprog.EOPNOTSUPP, run(progRawTracepoint))
	assert.Len(t, *told, 1)
}
