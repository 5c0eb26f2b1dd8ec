package sim

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/mprog"
)

// Programs of a few instructions, by hand.
var (
	returnMark = []byte{ // r0 = ctx->mark; exit
		0x61, 0x10, 8, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0,
	}
	markFive = []byte{ // ctx->mark = 5; return -1
		0xb7, 2, 0, 0, 5, 0, 0, 0, 0x63, 0x21, 8, 0, 0, 0, 0, 0,
		0xb7, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x95, 0, 0, 0, 0, 0, 0, 0,
	}
	callsUnknown = []byte{ // per_cpu_ptr; exit
		0x85, 0, 0, 0, 153, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0,
	}
)

func (p *process) load(name string, insns []byte) uint32 {
	p.t.Helper()
	return p.must(5, attrOf(3, len(insns)/insnSize, p.put(insns), p.put([]byte("GPL\x00")), 0, 0, uint64(0), 0, 0, name))
}

// Programs run in order on the same packet, as long as they say NEXT.
func TestPass(t *testing.T) {
	var warnings []string
	p := newProcess(t, Options{Verdicts: map[string]int32{"given": 2}, Warn: func(line string) { warnings = append(warnings, line) }})
	names := map[string][]byte{"five": markFive, "mark": returnMark, "given": markFive, "unknown": callsUnknown}
	fds := map[string]uint32{}
	for name, insns := range names {
		fds[name] = p.load(name, insns)
	}
	for _, c := range []struct {
		progs   []string
		ran     int
		verdict int32
		passes  bool
	}{
		{nil, 0, 0, true},
		{[]string{"mark", "five"}, 1, 0, true},
		{[]string{"five", "mark"}, 2, 5, true}, // which tcx does not know
		{[]string{"five"}, 1, -1, true},
		{[]string{"given", "five"}, 1, 2, false},
		{[]string{"unknown"}, 1, 2, false},
		{[]string{"unknown", "five"}, 1, 2, false},
	} {
		for _, name := range c.progs {
			p.must(8, attrOf(1, fds[name], int(mprog.TCXIngress), 0))
		}
		p.sim.explain = true
		made := p.sim.Pass(7, 1, mprog.TCXIngress, mprog.Forward, machine.NewPacket(make([]byte, 20), 1))
		require.Len(t, made.Ran, c.ran, c.progs)
		require.Equal(t, c.verdict, made.Verdict, c.progs)
		require.Equal(t, c.passes, made.Passes, c.progs)
		for _, name := range c.progs {
			p.must(9, attrOf(1, fds[name], int(mprog.TCXIngress), 0))
		}
	}
	require.Len(t, warnings, 1, "once a program")
	require.Contains(t, warnings[0], "program unknown (id ")
	require.Contains(t, warnings[0], "instruction 0: helper bpf_per_cpu_ptr: not simulated: its packets are dropped")
}

// Filters of a clsact qdisc run behind the programs of the tcx hook, unless one of
// those decides.
func TestPassFilters(t *testing.T) {
	p := newProcess(t, Options{Verdicts: map[string]int32{"next": -1, "pass": 0, "drop": 2, "odd": 5}})
	fds := map[string]uint32{}
	for _, name := range []string{"next", "pass", "drop", "odd"} {
		fds[name] = p.load(name, markFive)
	}
	p.sim.explain = true
	tc := p.sim.Traffic(p)
	require.NoError(t, tc.AddQdisc(mprog.QdiscRequest{Ifindex: 1, Kind: mprog.Clsact, Flags: mprog.NLCreate}))
	hook := mprog.Hook{Ifindex: 1, Type: mprog.TCXIngress}
	for _, c := range []struct {
		tcx, filters []string
		protocol     uint16 // of the filters
		ran          int
		verdict      int32
		passes       bool
		counted      mprog.QdiscCounts
	}{
		{nil, nil, mprog.AnyProtocol, 0, 0, true, mprog.QdiscCounts{}},
		{nil, []string{"drop"}, mprog.AnyProtocol, 1, 2, false, mprog.QdiscCounts{Bytes: 20, Packets: 1, Drops: 1}},
		{nil, []string{"drop"}, 0x800, 0, 0, true, mprog.QdiscCounts{Bytes: 20, Packets: 1}},
		{nil, []string{"drop"}, 0x86dd, 1, 2, false, mprog.QdiscCounts{Bytes: 20, Packets: 1, Drops: 1}},
		{[]string{"next"}, []string{"drop"}, mprog.AnyProtocol, 2, 2, false, mprog.QdiscCounts{Bytes: 20, Packets: 1, Drops: 1}},
		{[]string{"odd"}, []string{"drop"}, mprog.AnyProtocol, 2, 2, false, mprog.QdiscCounts{Bytes: 20, Packets: 1, Drops: 1}},
		{[]string{"pass"}, []string{"drop"}, mprog.AnyProtocol, 1, 0, true, mprog.QdiscCounts{}},
		{[]string{"drop"}, []string{"pass"}, mprog.AnyProtocol, 1, 2, false, mprog.QdiscCounts{}},
		{[]string{"next"}, []string{"odd", "pass", "drop"}, mprog.AnyProtocol, 3, 0, true, mprog.QdiscCounts{Bytes: 20, Packets: 1}},
	} {
		before := tc.QdiscCounts(1)
		for _, name := range c.tcx {
			p.must(8, attrOf(1, fds[name], int(mprog.TCXIngress), 0))
		}
		for i, name := range c.filters {
			_, err := tc.AddFilter(mprog.FilterRequest{
				Hook: hook, Kind: mprog.BPFKind, Priority: uint16(i + 1), Protocol: c.protocol, Flags: mprog.NLCreate,
				FD: fds[name], BPFFlags: mprog.DirectAction,
			})
			require.NoError(t, err)
		}
		frame := make([]byte, 20)
		frame[12], frame[13] = 0x86, 0xdd
		made := p.sim.Pass(7, 1, mprog.TCXIngress, mprog.Forward, machine.NewPacket(frame, 1))
		require.Len(t, made.Ran, c.ran, c)
		require.Equal(t, c.verdict, made.Verdict, c)
		require.Equal(t, c.passes, made.Passes, c)
		now := tc.QdiscCounts(1)
		require.Equal(t, c.counted, mprog.QdiscCounts{
			Bytes: now.Bytes - before.Bytes, Packets: now.Packets - before.Packets, Drops: now.Drops - before.Drops,
		}, c)
		for _, name := range c.tcx {
			p.must(9, attrOf(1, fds[name], int(mprog.TCXIngress), 0))
		}
		require.NoError(t, tc.DeleteFilter(mprog.FilterRequest{Hook: hook}))
	}
	require.NoError(t, tc.DeleteQdisc(mprog.QdiscRequest{Ifindex: 1}))
}

func TestTestRuns(t *testing.T) {
	p := newProcess(t, Options{Verdicts: map[string]int32{"given": 7}})
	run := func(fd uint32, size, room int, ctx []byte) (ret uint32, out []byte, errno mprog.Errno) {
		data, to := p.put(make([]byte, size)), p.put(make([]byte, 64))
		a := attrOf(fd, 0, size, room, data, to, 1, 0, len(ctx), 0, p.put(ctx), uint64(0))
		if ctx == nil {
			a = attrOf(fd, 0, size, room, data, to, 1, 0)
		}
		_, at, errno := p.call(10, a)
		answer, err := p.at(at, 16)
		require.NoError(t, err)
		return native.Uint32(answer[4:]), answer[12:16], errno
	}
	mark, given, unknown := p.load("mark", returnMark), p.load("given", markFive), p.load("unknown", callsUnknown)
	context := make([]byte, 192)
	context[8] = 9
	ret, _, errno := run(mark, 20, 0, context)
	require.Zero(t, errno)
	require.EqualValues(t, 9, ret, "of the context")
	for fd, want := range map[uint32]uint32{mark: 0, given: 7} {
		ret, out, errno := run(fd, 20, 20, nil)
		require.Zero(t, errno)
		require.Equal(t, want, ret)
		require.EqualValues(t, 20, native.Uint32(out))
	}
	_, _, errno = run(unknown, 20, 20, nil)
	require.Equal(t, mprog.EOPNOTSUPP, errno, "not simulated")
	_, _, errno = run(mark, 13, 0, nil)
	require.Equal(t, mprog.EINVAL, errno, "no packet")
	_, _, errno = run(mark, 20, 19, nil)
	require.Equal(t, mprog.ENOSPC, errno)
	_, _, errno = run(mark, 4000, 0, nil)
	require.Equal(t, mprog.EINVAL, errno, "more than a page has room for")
	for wireLen, want := range map[byte]mprog.Errno{1: mprog.EINVAL, 20: 0} {
		context[machine.SKBWireLen] = wireLen
		_, _, errno = run(mark, 20, 0, context)
		require.Equal(t, want, errno, wireLen)
	}
	context[16] = 1 // protocol
	_, _, errno = run(mark, 20, 0, context)
	require.Equal(t, mprog.EINVAL, errno)
}

// A trie's key finds the most specific element that it is within.
func TestTrie(t *testing.T) {
	p := newProcess(t, Options{})
	m := p.must(0, attrOf(int(lpmTrie), 8, 4, 10, noPrealloc))
	key := func(bits uint32, a, b, c, d byte) uint64 {
		return p.put(append(native.AppendUint32(nil, bits), a, b, c, d))
	}
	for value, k := range []uint64{key(0, 0, 0, 0, 0), key(8, 10, 0, 0, 0), key(20, 10, 1, 0x20, 0)} {
		p.must(2, attrOf(m, 0, k, p.put(native.AppendUint32(nil, uint32(value))), uint64(0)))
	}
	for _, c := range []struct {
		key  uint64
		want byte
	}{
		{key(32, 10, 1, 0x2f, 1), 2}, {key(32, 10, 1, 0x30, 1), 1}, {key(32, 11, 0, 0, 0), 0}, {key(16, 10, 1, 0x20, 0), 1},
	} {
		to := p.put(make([]byte, 4))
		p.must(1, attrOf(m, 0, c.key, to, uint64(0)))
		got, err := p.at(to, 1)
		require.NoError(t, err)
		require.Equal(t, c.want, got[0])
	}
}
