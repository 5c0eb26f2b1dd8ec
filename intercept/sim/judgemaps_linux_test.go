package sim

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"testing"
	"unsafe"

	types "github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// The judge of maps is the running kernel: the same calls there and here, and their
// errnos and what they write.

// running makes a call of bpf(2) of the running kernel.
func running(number uint32, attr []byte) (int, mprog.Errno) {
	for {
		v, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(number), uintptr(unsafe.Pointer(&attr[0])), uintptr(len(attr)))
		const progLoad = 5
		if number == progLoad && errno == unix.EAGAIN {
			continue // the verifier gives up when a signal comes, of which Go's scheduler sends many
		}
		return int(v), mprog.Errno(errno)
	}
}

// twins are the running kernel and the simulation, which get the same calls.
type twins struct {
	*process
	r      *rand.Rand
	types  twinFD
	progs  []twinFD
	inner  []twinFD
	closed []int // the running kernel's fds to close
}

// twinFD is an fd of each.
type twinFD struct {
	there int
	here  uint32
}

// buffer is memory that an attr has the address of, none if it is nil; fdBuffer is
// memory that holds an fd.
type (
	buffer   []byte
	fdBuffer twinFD
)

// twinAnswer is what a call did: attr and buffers are as they are behind it.
type twinAnswer struct {
	value   int
	errno   mprog.Errno
	attr    []byte
	buffers [][]byte
}

// both makes a call, of fields as attrOf has them, twinFDs and buffers.
func (w *twins) both(number uint32, fields ...any) (there, here twinAnswer) {
	w.used = 0
	var a, b []byte
	var ours []uint64
	keep := func(theirs, mine []byte) {
		theirs = append(bytes.Clone(theirs), make([]byte, 8)...)
		there.buffers, ours = append(there.buffers, theirs), append(ours, w.put(append(bytes.Clone(mine), make([]byte, 8)...)))
		a, b = append(a, attrOf(addressOf(theirs))...), append(b, attrOf(ours[len(ours)-1])...)
	}
	for _, f := range fields {
		switch f := f.(type) {
		case twinFD:
			a, b = append(a, attrOf(f.there)...), append(b, attrOf(f.here)...)
		case fdBuffer:
			keep(attrOf(f.there), attrOf(f.here))
		case buffer:
			if f != nil {
				keep(f, f)
				continue
			}
			a, b = append(a, attrOf(uint64(0))...), append(b, attrOf(uint64(0))...)
		default:
			a, b = append(a, attrOf(f)...), append(b, attrOf(f)...)
		}
	}
	there.attr = a
	there.value, there.errno = running(number, a)
	v, place, errno := w.call(number, b)
	here.value, here.errno = int(v), errno
	changed, err := w.at(place, len(b))
	require.NoError(w.t, err)
	here.attr = bytes.Clone(changed)
	for i, place := range ours {
		p, err := w.at(place, len(there.buffers[i]))
		require.NoError(w.t, err)
		here.buffers = append(here.buffers, bytes.Clone(p))
	}
	return there, here
}

func addressOf(p []byte) uint64 { return uint64(uintptr(unsafe.Pointer(&p[0]))) }

// open makes a call that opens something, which must do the same.
func (w *twins) open(what string, number uint32, fields ...any) (fd twinFD, opened bool) {
	there, here := w.both(number, fields...)
	require.Equal(w.t, there.errno, here.errno, "%s: %v", what, fields)
	if there.errno != 0 {
		return fd, false
	}
	w.closed = append(w.closed, there.value)
	return twinFD{there.value, uint32(here.value)}, true
}

// TestJudgeMapCalls has maps of random shapes made, and random calls on them and their
// elements.
func TestJudgeMapCalls(t *testing.T) {
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
	r, cpus, typesData := rand.New(rand.NewPCG(1, 2)), possible(t), judgedTypes(t)
	const rounds, enough = 3000, 10
	for i, failed := 0, 0; i < rounds && failed < enough; i++ {
		same := t.Run(strconv.Itoa(i), func(t *testing.T) {
			w := &twins{process: newProcess(t, Options{}), r: r}
			w.sim = New(fake.New(fake.Running(release)), Options{
				CPUs: cpus, Memory: func(size int) (Memory, error) { return make(plainMemory, size), nil },
			})
			defer func() {
				for _, fd := range w.closed {
					_ = unix.Close(fd)
				}
			}()
			w.fixtures(typesData)
			w.judgeMap()
		})
		if !same {
			failed++
		}
	}
}

// fixtures are what maps are made with and of.
func (w *twins) fixtures(data []byte) {
	w.types, _ = w.open("types", 18, buffer(data), uint64(0), len(data))
	insns := buffer{0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0}
	for _, typ := range []int{3, 6, 1} {
		fd, ok := w.open("program", 5, typ, 2, insns, buffer("GPL\x00"), 0, 0, uint64(0), 0, 0)
		require.True(w.t, ok)
		w.progs = append(w.progs, fd)
	}
	for _, shape := range [][]any{{2, 4, 4, 1}, {2, 4, 4, 2}, {1, 4, 8, 2}, {2, 4, 4, 3, innerMap}, {22, 0, 4, 2}, {27, 0, 0, 4096}} {
		fd, ok := w.open("inner map", 0, shape...)
		require.True(w.t, ok)
		w.inner = append(w.inner, fd)
	}
}

// The types of keys and values, by the ids that they have.
const (
	typeU32 = 1 + iota
	typeU64
	typeSpinLock
	typeWithLock
	typeTrieKey
	typeStorageKey
	typeSection
	typeVariable
	typeTimer
	typeWithTimer
	typePointer
	typesJudged
)

// judgedTypes is BTF with types for keys and values.
func judgedTypes(t *testing.T) []byte {
	u32, u64 := &types.Int{Name: "u32", Size: 4}, &types.Int{Name: "u64", Size: 8}
	lock := &types.Struct{Name: "bpf_spin_lock", Size: 4, Members: []types.Member{{Name: "val", Type: u32}}}
	timer := &types.Struct{Name: "bpf_timer", Size: 16, Members: []types.Member{{Name: "a", Type: u64}, {Name: "b", Type: u64, Offset: 64}}}
	variable := &types.Var{Name: "v", Type: u64, Linkage: types.GlobalVar}
	b := new(types.Builder) // whose maker takes other arguments in other versions
	for i, typ := range []types.Type{
		u32, u64, lock,
		&types.Struct{Name: "with_lock", Size: 16, Members: []types.Member{
			{Name: "n", Type: u32}, {Name: "lock", Type: lock, Offset: 32}, {Name: "v", Type: u64, Offset: 64}}},
		&types.Struct{Name: "trie", Size: 8, Members: []types.Member{{Name: "bits", Type: u32}, {Name: "data", Type: u32, Offset: 32}}},
		&types.Struct{Name: "storage", Size: 16, Members: []types.Member{{Name: "id", Type: u64}, {Name: "type", Type: u32, Offset: 64}}},
		&types.Datasec{Name: ".data", Size: 8, Vars: []types.VarSecinfo{{Type: variable, Size: 8}}},
		variable, timer,
		&types.Struct{Name: "with_timer", Size: 16, Members: []types.Member{{Name: "t", Type: timer}}},
		&types.Pointer{Target: u32},
	} {
		id, err := b.Add(typ)
		require.NoError(t, err)
		require.EqualValues(t, i+1, id)
	}
	data, err := b.Marshal(nil, nil)
	require.NoError(t, err)
	return data
}

// few are numbers of which each is likely to matter somewhere.
func few(r *rand.Rand, likely ...int) int {
	if r.IntN(4) > 0 {
		return likely[r.IntN(len(likely))]
	}
	return []int{0, 1, 2, 3, 4, 5, 7, 8, 12, 16, 32, 64, 4096, 8192, 1 << 20}[r.IntN(15)]
}

// rarely is a number now and then, else 0.
func rarely(r *rand.Rand, numbers ...int) int {
	if r.IntN(12) > 0 {
		return 0
	}
	return numbers[r.IntN(len(numbers))]
}

// shapes are sizes of keys and values, numbers of entries and flags that types have.
var shapes = map[mapType][4]int{
	progArray: {4, 4, 3}, perfEventArray: {4, 4, 3}, cgroupArray: {4, 4, 3}, arrayOfMaps: {4, 4, 3}, hashOfMaps: {4, 4, 3},
	lpmTrie: {8, 8, 4, noPrealloc}, queueMap: {0, 8, 3}, stackMap: {0, 8, 3}, bloomFilter: {0, 8, 3}, ringBuffer: {0, 0, 4096},
	userRingBuffer: {0, 0, 8192}, devMap: {4, 4, 3}, devMapHash: {4, 8, 3}, sockMap: {4, 4, 3}, sockHash: {8, 8, 3}, xskMap: {4, 4, 3},
	cpuMap: {4, 4, 2}, reusePortArray: {4, 8, 3}, cgroupStorage: {16, 8, 0}, perCPUCgroup: {8, 8, 0}, skStorage: {4, 8, 0, noPrealloc},
	inodeStorage: {4, 8, 0, noPrealloc}, taskStorage: {4, 8, 0, noPrealloc}, cgrpStorage: {4, 16, 0, noPrealloc},
	arena: {0, 0, 1, mmapable}, insnArray: {4, 16, 3}, resizableHash: {4, 8, 3, noPrealloc}, lruHash: {4, 8, 4096}, lruPerCPUHash: {4, 8, 4096},
	stackTrace: {4, 16, 4}, hashMap: {4, 16, 3}, arrayMap: {4, 16, 2}, perCPUHash: {4, 8, 2}, perCPUArray: {4, 4, 2},
}

func (w *twins) judgeMap() {
	r := w.r
	typ := mapType(1 + r.IntN(36))
	shape := shapes[typ]
	if r.IntN(3) == 0 {
		shape = [4]int{few(r, 4, 4, 8, 0), few(r, 4, 8, 8, 16), few(r, 1, 2, 3, 5), shape[3]}
	}
	for r.IntN(3) == 0 {
		shape[3] ^= 1 << r.IntN(13)
	}
	if typ == cpuMap { // how many CPUs kernels are built for differs
		shape[2] = 1 + r.IntN(4)
	}
	typesFD, keyType, valueType := twinFD{}, 0, 0
	storage := typ == skStorage || typ == inodeStorage || typ == taskStorage || typ == cgrpStorage
	if r.IntN(4) == 0 || storage {
		typesFD, keyType, valueType = w.types, few(r, typeU32, typeU32, typeU64, 0), few(r, typeU64, typeU32, typeWithLock, typeWithTimer, typeSection)
		if storage && r.IntN(4) > 0 {
			keyType = typeU32
		}
		if r.IntN(4) == 0 {
			keyType, valueType = r.IntN(typesJudged+2), r.IntN(typesJudged+2)
		}
	}
	ifindex := 0
	if typ == arrayMap || typ == hashMap || typ == bloomFilter {
		ifindex = rarely(r, 1, 99)
	}
	fields := []any{
		int(typ), shape[0], shape[1], shape[2], shape[3], w.inner[r.IntN(len(w.inner))], rarely(r, 1, 5000), "", ifindex,
		typesFD, keyType, valueType, rarely(r, 1), uint64(rarely(r, 1, 2, 5, 15, 16, 0x10000, 1<<33)),
	}
	if r.IntN(8) == 0 {
		exclusive := buffer(nil)
		if r.IntN(4) > 0 {
			exclusive = make(buffer, 32)
		}
		fields = append(fields, 0, 0, exclusive, 32-rarely(r, 1))
	}
	fd, made := w.open("map create", 0, fields...)
	if !made {
		return
	}
	j := &judged{twins: w, m: w.fds[fd.here].m, fd: fd}
	if j.m.wide() > 8192 || j.m.keySize > 512 || (typ == lruHash || typ == lruPerCPUHash) && shape[2] < 1024 { // what is evicted when is another
		return
	}
	for range 16 {
		j.command()
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
