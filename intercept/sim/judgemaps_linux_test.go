package sim

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// The judge of maps is the running kernel: the same calls there and here, and their
// errnos and what they write.

// running makes a call of bpf(2) of the running kernel.
func running(number uint32, attr []byte) (int, mprog.Errno) {
	v, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(number), uintptr(unsafe.Pointer(&attr[0])), uintptr(len(attr)))
	return int(v), mprog.Errno(errno)
}

// TestJudgeElements has maps of random shapes made, and random calls on their elements.
func TestJudgeElements(t *testing.T) {
	var u unix.Utsname
	require.NoError(t, unix.Uname(&u))
	release, err := fake.ParseRelease(unix.ByteSliceToString(u.Release[:]))
	if err != nil {
		t.Skip("the running kernel is of no release that is known: ", err)
	}
	if fd, errno := running(0, attrOf(2, 4, 4, 1)); errno != 0 {
		t.Skip("the running kernel makes no maps: ", errno)
	} else {
		_ = unix.Close(fd)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		p := newProcess(t, Options{})
		p.sim = New(fake.New(fake.Running(release)), Options{
			CPUs: possible(t), Memory: func(size int) (Memory, error) { return make(plainMemory, size), nil },
		})
		judgeMap(t, p, r)
		if t.Failed() {
			return
		}
	}
}

// few are numbers of which each is likely to matter somewhere.
func few(r *rand.Rand, likely ...int) int {
	if r.IntN(4) > 0 {
		return likely[r.IntN(len(likely))]
	}
	return []int{0, 1, 2, 3, 4, 5, 7, 8, 12, 16, 32, 64, 4096, 8192, 1 << 20}[r.IntN(15)]
}

func judgeMap(t *testing.T, p *process, r *rand.Rand) {
	typ := 1 + r.IntN(36)
	for typ == 26 || typ == 35 { // what they need is not simulated
		typ = 1 + r.IntN(36)
	}
	flags := 0
	for r.IntN(2) == 0 {
		flags |= 1 << r.IntN(13)
	}
	switch mapType(typ) {
	case lpmTrie:
		flags |= noPrealloc
	case arena:
		flags |= mmapable
	}
	entries := few(r, 1, 2, 3, 5)
	if mapType(typ) == ringBuffer || mapType(typ) == userRingBuffer {
		entries = few(r, 4096, 8192)
	}
	if mapType(typ) == cpuMap { // how many CPUs kernels are built for differs
		entries = 1 + r.IntN(4)
	}
	create := attrOf(typ, few(r, 4, 4, 8, 0), few(r, 4, 8, 8, 16), entries, flags, 0)
	there, want := running(0, create)
	here, _, got := p.call(0, create)
	require.Equal(t, want, got, "map create: %v", create)
	if want != 0 {
		return
	}
	defer unix.Close(there)
	m := p.fds[uint32(here)].m
	if m.typ.fds() || m.typ == perfEventArray || m.typ == cgroupArray || m.wide() > 8192 || m.keySize > 512 {
		return
	}
	for range 12 {
		judgeElement(t, p, r, m, there, uint32(here))
	}
}

// judgeElement makes a call on an element.
func judgeElement(t *testing.T, p *process, r *rand.Rand, m *bpfMap, there int, here uint32) {
	p.used = 0
	number := []uint32{1, 2, 2, 2, 3, 4, 21, 22, 24, 26, 27}[r.IntN(11)]
	if number == 22 && r.IntN(5) > 0 {
		number = 2
	}
	switch m.typ { // sockets, devices and processes are other calls' business
	case sockMap, sockHash, xskMap, reusePortArray, skStorage, inodeStorage, taskStorage, cgrpStorage, devMap, devMapHash, cpuMap:
		if number == 1 || number == 2 || number == 26 {
			return
		}
	case insnArray, cgroupStorage, perCPUCgroup, lruHash, lruPerCPUHash: // what is evicted when is another
		return
	}
	if m.typ.hash() || m.typ == lpmTrie { // their order is another
		switch number {
		case 4, 24:
			return
		}
	}
	key := make([]byte, m.keySize)
	if len(key) > 0 {
		key[0] = byte(r.IntN(6))
	}
	value := make([]byte, m.wide())
	for i := range value {
		value[i] = byte(r.IntN(3))
	}
	out := make([]byte, max(len(value), len(key), 4))
	flags := []int{0, 0, 0, 1, 2, 3, 4, 8}[r.IntN(8)]
	noKey := r.IntN(6) == 0
	batch := number >= 24 && number <= 27
	build := func(fd int, put func([]byte) uint64) (a []byte, results []uint64) {
		at := uint64(0)
		if !noKey && len(key) > 0 || number == 2 && len(key) > 0 {
			at = put(key)
		}
		switch {
		case number == 22:
			return attrOf(fd), nil
		case batch:
			keys, values := put(append(append([]byte{}, key...), make([]byte, 4*len(key)+8)...)), put(append(append([]byte{}, value...), make([]byte, 4*len(value)+8)...))
			outBatch := put(make([]byte, 64))
			return attrOf(uint64(0), outBatch, keys, values, 1+flags%3, fd, uint64(flags&^3), uint64(0)), []uint64{keys, values}
		case number == 2:
			return attrOf(fd, 0, at, put(value), uint64(flags)), nil
		case number == 3:
			return attrOf(fd, 0, at), nil
		case number == 4:
			to := put(out)
			return attrOf(fd, 0, at, to), []uint64{to}
		}
		to := put(out)
		return attrOf(fd, 0, at, to, uint64(flags)), []uint64{to}
	}
	var kept [][]byte
	a, results := build(there, func(data []byte) uint64 {
		c := append([]byte{}, data...)
		c = append(c, make([]byte, 8)...)
		kept = append(kept, c)
		return uint64(uintptr(unsafe.Pointer(&c[0])))
	})
	_, want := running(number, a)
	b, ours := build(int(here), p.put)
	_, place, got := p.call(number, b)
	changed, err := p.at(place, len(b))
	require.NoError(t, err)
	require.Equal(t, want, got, "command %d, flags %d, type %d, key_size %d, value_size %d, map_flags %#x, key %v, count %d", number, flags, m.typ, m.keySize, m.valueSize, m.flags, key, 1+flags%3)
	if batch {
		require.Equal(t, native.Uint32(a[32:]), native.Uint32(changed[32:]), "count of command %d, type %d", number, m.typ)
	}
	if want != 0 {
		return
	}
	for i, address := range results {
		n := len(out)
		if batch {
			n = int(native.Uint32(a[32:])) * []int{len(key), len(value)}[i]
		}
		whole, err := p.at(ours[i], n)
		require.NoError(t, err)
		for _, c := range kept {
			if uint64(uintptr(unsafe.Pointer(&c[0]))) == address {
				require.Equal(t, c[:n], whole, "command %d, type %d", number, m.typ)
			}
		}
	}
}

func possible(t *testing.T) int {
	n := 0
	for {
		n++
		if unix.Access("/sys/devices/system/cpu/cpu"+string(rune('0'+n)), unix.F_OK) != nil || n > 8 {
			return n
		}
	}
}
