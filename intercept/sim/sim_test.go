package sim

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/mprog"
)

// process is a caller with memory of its own, whose fds are a slice.
type process struct {
	t       testing.TB
	sim     *Sim
	memory  []byte // at base
	used    uint64
	fds     map[uint32]*Object // nil: open, and no object
	next    uint32
	pins    map[string]PinKey
	without map[mprog.Capability]bool
	names   map[uint32]string // of the running kernel's devices
	outside machine.Outside
	task    *machine.Task
	targets map[uint32]Target
	uid     uint32
	nested  bool
	bpffs   map[uint32]BPFFS
}

const base = 0x10000

func newProcess(t testing.TB, o Options) *process {
	k := fake.New()
	return &process{
		t: t, sim: New(k, o), memory: make([]byte, 1<<20), fds: map[uint32]*Object{0: nil, 1: nil, 2: nil}, next: 3,
		pins: map[string]PinKey{}, without: map[mprog.Capability]bool{}, names: map[uint32]string{1: "lo"},
	}
}

func (p *process) at(address uint64, n int) ([]byte, error) {
	if address < base || address-base > uint64(len(p.memory)) || uint64(n) > uint64(len(p.memory))-(address-base) {
		return nil, mprog.EFAULT
	}
	return p.memory[address-base:][:n], nil
}

func (p *process) Read(address uint64, to []byte) error {
	from, err := p.at(address, len(to))
	if err == nil {
		copy(to, from)
	}
	return err
}

func (p *process) ReadSome(address uint64, to []byte) (int, error) {
	if address < base || address >= base+uint64(len(p.memory)) {
		return 0, mprog.EFAULT
	}
	return copy(to, p.memory[address-base:]), nil
}

func (p *process) Write(segments ...Segment) error {
	for _, s := range segments {
		to, err := p.at(s.Address, len(s.Data))
		if err != nil {
			return err
		}
		copy(to, s.Data)
	}
	return nil
}

func (p *process) Object(fd uint32) (*Object, bool) {
	o, open := p.fds[fd]
	return o, open
}

func (p *process) Netns() uint64                   { return 7 }
func (p *process) Outside() machine.Outside        { return p.outside }
func (p *process) Task() *machine.Task             { return p.task }
func (p *process) UID() uint32                     { return p.uid }
func (p *process) Nested() bool                    { return p.nested }
func (p *process) BPFFS(fd uint32) BPFFS           { return p.bpffs[fd] }
func (p *process) Capable(c mprog.Capability) bool { return !p.without[c] }

func (p *process) DeviceName(ifindex uint32) (string, bool) {
	name, ok := p.names[ifindex]
	return name, ok
}

func (p *process) DeviceDriver(uint32) string { return "" }

func (p *process) Target(fd uint32) (Target, bool) {
	t, open := p.targets[fd]
	return t, open
}

func (p *process) TaskTarget(_, fd uint32) (Target, bool) { return p.Target(fd) }

func (p *process) HasTask(uint32) bool { return true }

func (p *process) Executable(path string) mprog.Errno {
	if path != "/bin/true" {
		return mprog.ENOENT
	}
	return 0
}

func (p *process) CreatePin(_ int32, path string) (PinKey, mprog.Errno) {
	if _, exists := p.pins[path]; exists {
		return PinKey{}, mprog.EEXIST
	}
	p.pins[path] = PinKey{1, uint64(len(p.pins) + 1)}
	return p.pins[path], 0
}

func (p *process) FindPin(_ int32, path string) (PinKey, mprog.Errno) {
	key, exists := p.pins[path]
	if !exists {
		return PinKey{}, mprog.ENOENT
	}
	return key, 0
}

// put places bytes in the process's memory.
func (p *process) put(data []byte) uint64 {
	address := base + p.used
	copy(p.memory[p.used:], data)
	p.used += uint64(len(data)+7) &^ 7
	return address
}

// attrOf lays numbers out as 32-bit words, and uint64 as two.
func attrOf(fields ...any) []byte {
	var b []byte
	for _, f := range fields {
		switch f := f.(type) {
		case int:
			b = native.AppendUint32(b, uint32(f))
		case uint32:
			b = native.AppendUint32(b, f)
		case uint64:
			b = native.AppendUint64(b, f)
		case string:
			b = append(b, append([]byte(f), make([]byte, 16-len(f))...)...)
		default:
			panic("unknown field")
		}
	}
	return b
}

// call makes a call, and returns the fd or value and where the attr is.
func (p *process) call(number uint32, attr []byte) (int64, uint64, mprog.Errno) {
	if p.used > 1<<19 {
		p.used = 0
	}
	address := p.put(append(bytes.Clone(attr), make([]byte, 64)...))
	a := p.sim.BPF(p, number, address, uint32(len(attr)))
	if a.New == nil {
		return a.Value, address, a.Errno
	}
	p.fds[p.next] = a.New
	p.next++
	return int64(p.next - 1), address, 0
}

func (p *process) must(number uint32, attr []byte) uint32 {
	p.t.Helper()
	v, _, errno := p.call(number, attr)
	require.Zero(p.t, errno)
	return uint32(v)
}

func (p *process) close(fd uint32) {
	o := p.fds[fd]
	delete(p.fds, fd)
	if o != nil {
		o.Close()
	}
}

// program loads a program that returns a number.
func (p *process) program(name string, verdict int32) uint32 {
	insns := p.put([]byte{0xb7, 0, 0, 0, byte(verdict), byte(verdict >> 8), byte(verdict >> 16), byte(verdict >> 24),
		0x95, 0, 0, 0, 0, 0, 0, 0})
	license := p.put([]byte("GPL\x00"))
	return p.must(5, attrOf(3, 2, insns, license, 0, 0, uint64(0), 0, 0, name))
}

func TestProgLoad(t *testing.T) {
	p := newProcess(t, Options{})
	exitOnly := []byte{0x95, 0, 0, 0, 0, 0, 0, 0}
	license := p.put([]byte("GPL\x00"))
	load := func(typ int, insns []byte, more ...any) []byte {
		return attrOf(append([]any{typ, len(insns) / 8, p.put(insns), license, 0, 0, uint64(0), 0}, more...)...)
	}
	badBTF := append(load(3, exitOnly, 0, ""), attrOf(0, 0, 0xffffffff-1, 8, uint64(0), 1)...)
	for _, tc := range []struct {
		name string
		attr []byte
		want mprog.Errno
	}{
		{"plain", load(3, exitOnly), 0},
		{"of any type", load(2, exitOnly), 0},
		{"type 0", load(0, exitOnly), mprog.EINVAL},
		{"unknown type", load(99, exitOnly), mprog.EINVAL},
		{"no instructions", load(3, nil), mprog.E2BIG},
		{"flags", load(3, exitOnly, 0x10000), mprog.EINVAL},
		{"name", load(3, exitOnly, 0, "a.b_C9"), 0},
		{"bad name", load(3, exitOnly, 0, "a b"), mprog.EINVAL},
		{"name without end", load(3, exitOnly, 0, "0123456789abcdef"), mprog.EINVAL},
		{"does not end", load(3, []byte{0xb7, 0, 0, 0, 0, 0, 0, 0}), mprog.EINVAL},
		{"jumps out", load(3, append([]byte{0x05, 0, 9, 0, 0, 0, 0, 0}, exitOnly...)), mprog.EINVAL},
		{"half of a wide load", load(3, append([]byte{0x18, 0, 0, 0, 0, 0, 0, 0}, exitOnly...)), mprog.EINVAL},
		{"no such register", load(3, append([]byte{0xb7, 11, 0, 0, 0, 0, 0, 0}, exitOnly...)), mprog.EINVAL},
		{"map fd not open", load(3, append([]byte{0x18, 0x11, 0, 0, 50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, exitOnly...)), mprog.EBADF},
		{"map fd of no map", load(3, append([]byte{0x18, 0x11, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, exitOnly...)), mprog.EINVAL},
		{"instructions elsewhere", attrOf(3, 1, uint64(8), license), mprog.EFAULT},
		{"license elsewhere", attrOf(3, 1, p.put(exitOnly), uint64(8)), mprog.EFAULT},
		{"func_info without BTF", badBTF, mprog.EBADF},
		{"larger, and zero", append(load(3, exitOnly), make([]byte, 300)...), 0},
		{"larger, and not zero", append(append(load(3, exitOnly), make([]byte, 300)...), 1), mprog.E2BIG},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, errno := p.call(5, tc.attr)
			require.Equal(t, tc.want, errno)
		})
	}
	p.without[mprog.CapBPF], p.without[mprog.CapSysAdmin] = true, true
	_, _, errno := p.call(5, load(3, exitOnly))
	require.Equal(t, mprog.EPERM, errno)
	_, _, errno = p.call(5, load(1, exitOnly))
	require.Zero(t, errno, "who may nothing may load socket filters")
}

func TestCallsOfAnyShape(t *testing.T) {
	p := newProcess(t, Options{})
	for _, tc := range []struct {
		name    string
		number  uint32
		address uint64
		size    uint32
		want    mprog.Errno
	}{
		{"more than a page", 5, base, 4097, mprog.E2BIG},
		{"no memory", 5, 8, 16, mprog.EFAULT},
		{"no memory and no command", 99, 8, 16, mprog.EFAULT},
		{"no command", 99, base, 16, mprog.EINVAL},
		{"the highest number", 0xffffffff, base, 16, mprog.EINVAL},
		{"no attr", 8, 0, 0, mprog.EINVAL},
	} {
		t.Run(tc.name, func(t *testing.T) {
			clear(p.memory)
			a := p.sim.BPF(p, tc.number, tc.address, tc.size)
			if tc.name == "no attr" { // attach type 0 is a cgroup's; whatever it says, it is refused
				require.NotZero(t, a.Errno)
				return
			}
			require.Equal(t, tc.want, a.Errno)
		})
	}
}

func TestHooks(t *testing.T) {
	p := newProcess(t, Options{})
	a, b := p.program("a", -1), p.program("b", 0)
	const lo, ingress = 1, 46
	query := func() (revision uint64, progs, links []uint32) {
		ids, linkIDs := p.put(make([]byte, 256)), p.put(make([]byte, 256))
		_, at, errno := p.call(16, attrOf(lo, ingress, 0, 0, ids, 64, 0, uint64(0), linkIDs, uint64(0), uint64(0)))
		require.Zero(t, errno)
		attr, err := p.at(at, 64)
		require.NoError(t, err)
		for i := range uint64(native.Uint32(attr[24:])) {
			progs = append(progs, native.Uint32(p.memory[ids-base+4*i:]))
			links = append(links, native.Uint32(p.memory[linkIDs-base+4*i:]))
		}
		return native.Uint64(attr[56:]), progs, links
	}
	l := p.must(28, attrOf(a, lo, ingress, 0))
	p.must(8, attrOf(lo, b, ingress, 0))
	revision, progs, links := query()
	require.Equal(t, uint64(3), revision)
	require.Equal(t, []uint32{1, 2}, progs)
	require.Equal(t, []uint32{1, 0}, links)

	_, _, errno := p.call(8, attrOf(lo, b, ingress, 0))
	require.Equal(t, mprog.EEXIST, errno)
	_, _, errno = p.call(8, attrOf(lo, 40, ingress, 0))
	require.Equal(t, mprog.EBADF, errno)
	_, _, errno = p.call(8, attrOf(lo, 1, ingress, 0))
	require.Equal(t, mprog.EINVAL, errno)
	_, _, errno = p.call(8, attrOf(9, b, ingress, 0))
	require.Equal(t, mprog.ENODEV, errno)
	_, _, errno = p.call(29, attrOf(l, b, 0, 0))
	require.Equal(t, mprog.EEXIST, errno)

	p.close(l)
	_, progs, links = query()
	require.Equal(t, []uint32{2}, progs, "the link went with its last fd")
	require.Equal(t, []uint32{0}, links)
	p.close(a)
	p.close(b)
	require.True(t, p.sim.kernel.HasProg(2), "what is attached stays")
	require.False(t, p.sim.kernel.HasProg(1))
	require.Len(t, p.sim.programs, 1)

	// A query of 40 bytes still gets its revision at offset 56.
	_, at, errno := p.call(16, attrOf(lo, ingress, 0, 0, uint64(0), 0, 0, uint64(0)))
	require.Zero(t, errno)
	require.EqualValues(t, 4, native.Uint64(p.memory[at-base+56:]))
}

// A device of the running kernel's has hooks, until it is gone.
func TestMirroredDevices(t *testing.T) {
	p := newProcess(t, Options{})
	p.names[5] = "eth0"
	a := p.program("a", 0)
	l := p.must(28, attrOf(a, 5, 47, 0))
	_, _, errno := p.call(28, attrOf(a, 5, 54, 0))
	require.Equal(t, mprog.ENXIO, errno, "it is no netkit")
	require.Contains(t, p.sim.Mirrored(7), uint32(5))
	delete(p.names, 5)
	p.sim.Unmirror(7, 5)
	_, _, errno = p.call(28, attrOf(a, 5, 47, 0))
	require.Equal(t, mprog.ENODEV, errno)
	_, _, errno = p.call(29, attrOf(l, a, 0, 0))
	require.Equal(t, mprog.ENOLINK, errno)
}

func TestPins(t *testing.T) {
	p := newProcess(t, Options{})
	path := p.put([]byte("/sys/fs/bpf/x\x00"))
	prog := p.program("a", 0)
	p.must(6, attrOf(path, prog, 0))
	_, _, errno := p.call(6, attrOf(path, prog, 0))
	require.Equal(t, mprog.EEXIST, errno)
	for _, tc := range []struct {
		name   string
		number uint32
		attr   []byte
		want   mprog.Errno
	}{
		{"flags", 6, attrOf(path, prog, 1), mprog.EINVAL},
		{"path_fd without its flag", 6, attrOf(path, prog, 0, 3), mprog.EINVAL},
		{"bad fd", 6, attrOf(path, 40, 0), mprog.EINVAL},
		{"no object", 6, attrOf(path, 1, 0), mprog.EINVAL},
		{"no path", 6, attrOf(uint64(8), prog, 0), mprog.EFAULT},
		{"get with fd", 7, attrOf(path, 1, 0), mprog.EINVAL},
		{"get with flags", 7, attrOf(path, 0, 0xffffffff), mprog.EINVAL},
		{"get nothing", 7, attrOf(p.put([]byte("/none\x00")), 0, 0), mprog.ENOENT},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, errno := p.call(tc.number, tc.attr)
			require.Equal(t, tc.want, errno)
		})
	}
	p.close(prog)
	again := p.must(7, attrOf(path, 0, 0))
	require.Equal(t, "anon_inode:bpf-prog", p.fds[again].String())
	require.EqualValues(t, 1, p.fds[again].ID)
	p.close(again)
	p.sim.Unpinned(p.pins["/sys/fs/bpf/x"])
	require.False(t, p.sim.kernel.HasProg(1), "the pin held the last reference")
}

func TestFaults(t *testing.T) {
	f, err := ParseFault("prog-load:2=ENOMEM")
	require.NoError(t, err)
	p := newProcess(t, Options{Fail: []Fault{f}, Verdicts: map[string]int32{"b": 5}})
	insns, license := p.put([]byte{0x95, 0, 0, 0, 0, 0, 0, 0}), p.put([]byte("GPL\x00"))
	attr := attrOf(3, 1, insns, license, 0, 0, uint64(0), 0, 0, "b")
	for _, want := range []mprog.Errno{0, mprog.ENOMEM, 0} {
		_, _, errno := p.call(5, attr)
		require.Equal(t, want, errno)
	}
	for _, bad := range []string{"", "prog-load", "nothing=EIO", "prog-load:0=EIO", "prog-load=EWHAT"} {
		_, err := ParseFault(bad)
		require.Error(t, err, bad)
	}
}

// Which calls a fault meets: by hook, by number among those, and not those by
// which libraries probe.
func TestFaultsOfHooks(t *testing.T) {
	const lo, nobody = 1, 99
	link := func(p *process, ifindex int, at mprog.AttachType) mprog.Errno {
		_, _, errno := p.call(28, attrOf(p.program("", 0), ifindex, int(at), 0))
		return errno
	}
	for _, c := range []struct {
		fault   string
		probes  bool
		ifindex int
		at      mprog.AttachType
		want    []mprog.Errno
	}{
		{"link-create=EIO", false, lo, mprog.TCXIngress, []mprog.Errno{mprog.EIO, mprog.EIO}},
		{"link-create=EIO", false, nobody, mprog.TCXIngress, []mprog.Errno{mprog.ENODEV}},
		{"link-create=EIO", true, nobody, mprog.TCXIngress, []mprog.Errno{mprog.EIO}},
		{"link-create@lo=EIO", false, lo, mprog.TCXEgress, []mprog.Errno{mprog.EIO}},
		{"link-create:2@lo:ingress=EIO", false, lo, mprog.TCXIngress, []mprog.Errno{0, mprog.EIO, 0}},
		{"link-create@lo:ingress=EIO", false, lo, mprog.TCXEgress, []mprog.Errno{0}},
		{"link-create@nk0=EIO", false, lo, mprog.TCXEgress, []mprog.Errno{0}},
		{"link-create/agent=EIO", false, lo, mprog.TCXEgress, []mprog.Errno{0}}, // the caller has no name
		{"link-update=EIO", false, lo, mprog.TCXEgress, []mprog.Errno{0}},
	} {
		t.Run(c.fault, func(t *testing.T) {
			f, err := ParseFault(c.fault)
			require.NoError(t, err)
			f.Probes = c.probes
			p := newProcess(t, Options{Fail: []Fault{f}})
			fired := false
			for _, want := range c.want {
				require.Equal(t, want, link(p, c.ifindex, c.at))
				fired = fired || want == mprog.EIO
			}
			require.Equal(t, fired, len(p.sim.Unfired()) == 0)
		})
	}
	for _, bad := range []string{"link-create@=EIO", "link-create@lo:sideways=EIO", "link-create:x@lo=EIO", "link-create/=EIO"} {
		_, err := ParseFault(bad)
		require.ErrorContains(t, err, bad)
	}
}

// A fault of calls on links is one of their hook, and of none when the device is gone.
func TestFaultsOfLinks(t *testing.T) {
	for _, c := range []struct {
		fault string
		gone  bool
		want  mprog.Errno
	}{
		{"link-update@nk0:peer=EIO", false, mprog.EIO},
		{"link-update@nk0:primary=EIO", false, 0},
		{"link-update@nk0=EIO", true, mprog.ENOLINK},
		{"link-update=EIO", true, mprog.EIO},
	} {
		t.Run(c.fault, func(t *testing.T) {
			f, err := ParseFault(c.fault)
			require.NoError(t, err)
			p := newProcess(t, Options{Fail: []Fault{f}})
			at := p.sim.Resident(p.Netns())
			at.AddDeviceAt(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"}, 5, at, 6)
			l := p.must(28, attrOf(p.program("a", 0), 5, int(mprog.NetkitPeer), 0))
			if c.gone {
				at.DeleteDeviceAt(5)
			}
			_, _, errno := p.call(29, attrOf(l, p.program("b", 0)))
			require.Equal(t, c.want, errno)
		})
	}
}

func TestTestRun(t *testing.T) {
	p := newProcess(t, Options{Verdicts: map[string]int32{"b": 5}})
	packet := p.put(make([]byte, 64))
	for name, want := range map[string]int32{"a": 2, "b": 5} {
		prog := p.program(name, 2)
		_, at, errno := p.call(10, attrOf(prog, 0, 64, 0, packet, uint64(0)))
		require.Zero(t, errno)
		require.Equal(t, want, int32(native.Uint32(p.memory[at-base+4:])))
	}
	prog := p.program("c", 0)
	_, _, errno := p.call(10, attrOf(prog, 0, 4, 0, packet, uint64(0)))
	require.Equal(t, mprog.EINVAL, errno, "no packet is that short")
}

// What was recorded plays on another kernel of the same kind.
func TestRecord(t *testing.T) {
	p := newProcess(t, Options{Record: true})
	p.sim.Home(7)
	a, b := p.program("a", 0), p.program("b", 0)
	l := p.must(28, attrOf(a, 1, 46, 0))
	p.must(8, attrOf(1, b, 46, int(mprog.Before)))
	_, _, errno := p.call(8, attrOf(1, b, 46, 0))
	require.Equal(t, mprog.EEXIST, errno)
	p.close(l)
	other := p.must(5, attrOf(8, 2, p.put(markFive[16:]), p.put([]byte("GPL\x00")), 0, 0, uint64(0), 0, 0, "cgroup"))
	_, _, errno = p.call(8, attrOf(1, other, 46, 0))
	require.Equal(t, mprog.EINVAL, errno)
	require.Equal(t, `# Recorded from a program.
need tcx
prog a
prog b
link l1 lo:ingress a size=16           = revision 2 [a@l1]
attach lo:ingress b flags=before size=16 = revision 3 [b a@l1]
attach lo:ingress b size=16            ! EEXIST
close l1                               = revision 4 [b]
# cannot be said: attach of what has no name here
`, p.sim.Trace().String())
}
