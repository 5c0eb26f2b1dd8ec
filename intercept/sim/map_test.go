package sim

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

func TestMapCreate(t *testing.T) {
	p := newProcess(t, Options{CPUs: 2})
	for _, tc := range []struct {
		name string
		attr []byte
		want mprog.Errno
	}{
		{"array", attrOf(2, 4, 8, 1), 0},
		{"array without entries", attrOf(2, 4, 8, 0), mprog.EINVAL},
		{"array with long keys", attrOf(2, 8, 8, 1), mprog.EINVAL},
		{"array without preallocation", attrOf(2, 4, 8, 1, noPrealloc), mprog.EINVAL},
		{"hash", attrOf(1, 3, 8, 10), 0},
		{"hash without keys", attrOf(1, 0, 8, 10), mprog.EINVAL},
		{"hash that can be mapped", attrOf(1, 4, 8, 10, mmapable), mprog.EINVAL},
		{"per-CPU array that can be mapped", attrOf(6, 4, 8, 10, mmapable), mprog.EINVAL},
		{"type 0", attrOf(0, 4, 4, 1), mprog.EINVAL},
		{"unknown type", attrOf(99, 4, 4, 1), mprog.EINVAL},
		{"programs", attrOf(3, 4, 4, 2), 0},
		{"programs that are no fds", attrOf(3, 4, 8, 2), mprog.EINVAL},
		{"maps of no map", attrOf(12, 4, 4, 2, 0, 0xffffffff-1), mprog.EBADF},
		{"queue", attrOf(22, 0, 4, 2), 0},
		{"queue with keys", attrOf(22, 4, 4, 2), mprog.EINVAL},
		{"trie", attrOf(11, 8, 4, 2, noPrealloc), 0},
		{"trie with preallocation", attrOf(11, 8, 4, 2), mprog.EINVAL},
		{"ring buffer of half a page", attrOf(27, 0, 0, 2048), mprog.EINVAL},
		{"one way and the other", attrOf(2, 4, 8, 1, readProg|writeProg), mprog.EINVAL},
		{"BTF not open", attrOf(2, 4, 8, 1, 0, 0, 0, "", 0, 77, 1, 1), mprog.EBADF},
		{"behind the last field", append(attrOf(2, 4, 8, 1), append(make([]byte, 80), 1)...), mprog.EINVAL},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, errno := p.call(0, tc.attr)
			require.Equal(t, tc.want, errno)
		})
	}
}

// elements are commands on one map.
type testMap struct {
	*process
	fd uint32
}

func (m testMap) on(number uint32, key uint64, value, flags uint64) mprog.Errno {
	k := m.put(native.AppendUint64(nil, key))
	v := m.put(append(native.AppendUint64(nil, value), make([]byte, 64)...))
	attr := attrOf(m.fd, 0, k, v, flags)
	if number == 3 {
		attr = attr[:16]
	}
	_, _, errno := m.call(number, attr)
	return errno
}

func (m testMap) lookup(key uint64) (uint64, mprog.Errno) {
	k, v := m.put(native.AppendUint64(nil, key)), m.put(make([]byte, 64))
	_, _, errno := m.call(1, attrOf(m.fd, 0, k, v, uint64(0)))
	return native.Uint64(m.memory[v-base:]), errno
}

func TestElements(t *testing.T) {
	p := newProcess(t, Options{CPUs: 2})
	t.Run("array", func(t *testing.T) {
		m := testMap{process: p, fd: p.must(0, attrOf(2, 4, 8, 2))}
		v, errno := m.lookup(1)
		require.Zero(t, errno)
		require.Zero(t, v)
		require.Zero(t, m.on(2, 1, 42, anyway))
		v, _ = m.lookup(1)
		require.EqualValues(t, 42, v)
		require.Equal(t, mprog.E2BIG, m.on(2, 2, 1, anyway))
		require.Equal(t, mprog.EEXIST, m.on(2, 1, 1, mustBeNew))
		require.Equal(t, mprog.EINVAL, m.on(2, 1, 1, 99))
		_, errno = m.lookup(2)
		require.Equal(t, mprog.ENOENT, errno)
		require.Equal(t, mprog.EINVAL, m.on(3, 1, 0, 0))
		_, _, errno = p.call(22, attrOf(m.fd))
		require.Zero(t, errno)
		require.Equal(t, mprog.EPERM, m.on(2, 1, 1, anyway), "frozen")
	})
	t.Run("hash", func(t *testing.T) {
		m := testMap{process: p, fd: p.must(0, attrOf(1, 8, 8, 2))}
		_, errno := m.lookup(1)
		require.Equal(t, mprog.ENOENT, errno)
		require.Equal(t, mprog.ENOENT, m.on(2, 1, 5, mustExist))
		require.Zero(t, m.on(2, 1, 5, mustBeNew))
		require.Equal(t, mprog.EEXIST, m.on(2, 1, 6, mustBeNew))
		require.Zero(t, m.on(2, 2, 6, anyway))
		require.Equal(t, mprog.E2BIG, m.on(2, 3, 7, anyway))
		out := p.put(make([]byte, 8))
		keys := []uint64{}
		for key := uint64(0); ; key = out {
			_, _, errno := p.call(4, attrOf(m.fd, 0, key, out))
			if errno != 0 {
				require.Equal(t, mprog.ENOENT, errno)
				break
			}
			keys = append(keys, native.Uint64(p.memory[out-base:]))
		}
		require.Equal(t, []uint64{1, 2}, keys)
		require.Zero(t, m.on(3, 1, 0, 0))
		require.Equal(t, mprog.ENOENT, m.on(3, 1, 0, 0))
	})
	t.Run("programs", func(t *testing.T) {
		m := testMap{process: p, fd: p.must(0, attrOf(3, 4, 4, 2))}
		prog := p.program("x", 0)
		id := p.fds[prog].ID
		require.Equal(t, mprog.EBADF, m.on(2, 0, 99, anyway))
		require.Equal(t, mprog.EINVAL, m.on(2, 0, 1, anyway))
		require.Zero(t, m.on(2, 0, uint64(prog), anyway))
		v, errno := m.lookup(0)
		require.Zero(t, errno)
		require.EqualValues(t, id, v)
		p.close(prog)
		require.True(t, p.sim.kernel.HasProg(id), "the map holds it")
		p.close(m.fd)
		require.False(t, p.sim.kernel.HasProg(id))
	})
	t.Run("queue and stack", func(t *testing.T) {
		for typ, want := range map[int]uint64{22: 1, 23: 2} {
			fd := p.must(0, attrOf(typ, 0, 8, 2))
			for v := uint64(1); v <= 2; v++ {
				p.must(2, attrOf(fd, 0, uint64(0), p.put(native.AppendUint64(nil, v)), uint64(0)))
			}
			out := p.put(make([]byte, 8))
			p.must(21, attrOf(fd, 0, uint64(0), out, uint64(0)))
			require.Equal(t, want, native.Uint64(p.memory[out-base:]))
		}
	})
}

// A program holds its maps, and tells their ids.
func TestMapsOfPrograms(t *testing.T) {
	p := newProcess(t, Options{})
	m := p.must(0, attrOf(2, 4, 8, 1, 0, 0, 0, "counts"))
	id := p.fds[m].ID
	insns := p.put([]byte{0x18, 0x11, 0, 0, byte(m), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0})
	prog := p.must(5, attrOf(3, 3, insns, p.put([]byte("GPL\x00")), 0, 0, uint64(0), 0, 0, "p"))
	p.close(m)
	require.NotNil(t, p.sim.maps.byID[id])

	ids, info := p.put(make([]byte, 16)), p.put(make([]byte, progInfoSize))
	native.PutUint32(p.memory[info-base+52:], 4)
	native.PutUint64(p.memory[info-base+56:], ids)
	p.must(15, attrOf(prog, progInfoSize, info))
	require.EqualValues(t, 1, native.Uint32(p.memory[info-base+52:]))
	require.Equal(t, id, native.Uint32(p.memory[ids-base:]))
	again := p.must(14, attrOf(id))
	require.Equal(t, id, p.fds[again].ID)
	p.close(again)
	p.close(prog)
	require.Nil(t, p.sim.maps.byID[id])
}

func TestBTF(t *testing.T) {
	p := newProcess(t, Options{})
	header := attrOf(0x0001_eb9f, 24, 0, 4, 4, 1)
	good := append(header, 0, 0, 0, 0, 0)
	fd := p.must(18, attrOf(p.put(good), uint64(0), len(good)))
	info := p.put(make([]byte, btfInfoSize))
	p.must(15, attrOf(fd, btfInfoSize, info))
	require.EqualValues(t, len(good), native.Uint32(p.memory[info-base+8:]))
	for name, bad := range map[string][]byte{
		"magic": append([]byte{1}, good[1:]...), "short": good[:20],
		"outside": append(attrOf(0x0001_eb9f, 24, 0, 400, 4, 1), 0),
	} {
		_, _, errno := p.call(18, attrOf(p.put(bad), uint64(0), len(bad)))
		require.Equal(t, mprog.EINVAL, errno, name)
	}
}

// The kernel's own BTF has the first id, and says its name.
func TestKernelTypes(t *testing.T) {
	p := newProcess(t, Options{})
	p.sim = New(fake.New(), Options{Symbols: fewSymbols{}})
	_, at, errno := p.call(23, attrOf(0, 0))
	require.Zero(t, errno)
	require.EqualValues(t, 1, native.Uint32(p.memory[at-base+4:]))
	fd := p.must(19, attrOf(1))
	for _, c := range []struct {
		room int
		want mprog.Errno
		name string
	}{{8, 0, "vmlinux"}, {16, 0, "vmlinux"}, {4, mprog.ENOSPC, "vml"}} {
		data, name := p.put(make([]byte, 8)), p.put(make([]byte, 16))
		info := p.put(attrOf(data, 8, 0, name, c.room, 0))
		_, _, errno := p.call(15, attrOf(fd, 32, info))
		require.Equal(t, c.want, errno)
		got, err := p.at(info, 32)
		require.NoError(t, err)
		require.Equal(t, []uint32{3, 1, 7, 1}, []uint32{native.Uint32(got[8:]), native.Uint32(got[12:]), native.Uint32(got[24:]), native.Uint32(got[28:])})
		require.Equal(t, c.name+"\x00", string(p.memory[name-base:][:len(c.name)+1]))
		require.Equal(t, []byte{1, 2, 3, 0}, p.memory[data-base:][:4])
	}
	_, _, errno = p.call(0, attrOf(2, 4, 8, 1, 0, 0, 0, "", 0, fd, 1, 1))
	require.Equal(t, mprog.EACCES, errno, "a map's types are never the kernel's")
	info := p.put(make([]byte, 32))
	own := p.must(18, attrOf(p.put(append(attrOf(0x0001_eb9f, 24, 0, 0, 0, 1), 0)), uint64(0), 25))
	p.must(15, attrOf(own, 32, info))
	require.EqualValues(t, 2, native.Uint32(p.memory[info-base+12:]))
}
