package sim

import (
	"bytes"
	"encoding/hex"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

// judged is a map that both have.
type judged struct {
	*twins
	m  *bpfMap
	fd twinFD
}

// same makes a call, which must do the same, but for buffers of ids.
func (j *judged) same(number uint32, fields ...any) (there, here twinAnswer) {
	there, here = j.both(number, fields...)
	require.Equal(j.t, there.errno, here.errno, "command %d of type %d, key_size %d, value_size %d, entries %d, map_flags %#x: %v",
		number, j.m.typ, j.m.keySize, j.m.valueSize, j.m.entries, j.m.flags, fields)
	return there, here
}

// unordered reports whether the running kernel's order is of its own making.
func (j *judged) unordered() bool { return j.m.typ.hash() || j.m.typ == devMapHash }

// command makes one of the commands on maps.
func (j *judged) command() {
	r := j.r
	switch number := []uint32{1, 1, 2, 2, 2, 2, 3, 4, 15, 21, 22, 24, 25, 26, 27, 14}[r.IntN(16)]; number {
	case 4:
		j.keys()
	case 14:
		j.again()
	case 15:
		j.info()
	case 22:
		if r.IntN(5) == 0 {
			j.same(number, j.fd)
		}
	case 24, 25, 26, 27:
		j.batch(number)
	default:
		j.element(number)
	}
}

// key is a key, of which there are few.
func (j *judged) key() buffer {
	key := make(buffer, j.m.keySize)
	if len(key) > 0 {
		key[0] = byte(j.r.IntN(6))
	}
	if j.m.typ == lpmTrie {
		key[0], key[len(key)-1] = byte(j.r.IntN(36)), byte(j.r.IntN(4))<<6
	}
	switch j.m.typ { // fds: which are open, and of what, is not the same
	case skStorage, inodeStorage, taskStorage, cgrpStorage:
		copy(key, attrOf(-1))
	}
	return key
}

// value is a value as a call with flags has it, which the kernel may take. Fds of
// sockets are none.
func (j *judged) value(flags uint64) any {
	r, value := j.r, make(buffer, j.m.span(flags))
	for i := range value {
		value[i] = byte(r.IntN(3))
	}
	switch j.m.typ {
	case sockMap, sockHash, xskMap, reusePortArray, perfEventArray, cgroupArray:
		copy(value, attrOf(oneOf(r, 1000, -1, 0x7fffffff), 0))
	case cpuMap:
		copy(value, attrOf(oneOf(r, 0, 1, 192, 20000), 0))
	case devMap, devMapHash:
		copy(value, attrOf(oneOf(r, 0, 1, 1, 99), 0))
	case insnArray:
		if r.IntN(4) > 0 {
			clear(value[4:])
		}
	}
	return value
}

// ofFD is a value that is an fd of a program or a map.
func (j *judged) ofFD() twinFD {
	all := append(slices.Clone(j.progs), j.inner...)
	if j.r.IntN(8) == 0 {
		return twinFD{1000, 1000}
	}
	return all[j.r.IntN(len(all))]
}

func (j *judged) flags() uint64 {
	r := j.r
	if r.IntN(3) > 0 {
		return uint64(r.IntN(3))
	}
	return oneOf[uint64](r, 3, 4, 5, 6, 8, 16, 24, 9, 10, 17, 32, 1<<32, 1<<32|8, 1<<32|10, 9<<32|8, 1<<32|16)
}

// element makes a command on one element.
func (j *judged) element(number uint32) {
	r, key, flags := j.r, j.key(), j.flags()
	if r.IntN(12) == 0 || len(key) == 0 && r.IntN(6) > 0 {
		key = nil
	}
	switch number {
	case 2:
		if j.m.typ.fds() {
			j.same(number, j.fd, 0, key, fdBuffer(j.ofFD()), flags)
			return
		}
		if value := j.value(flags); len(value.(buffer)) > 0 {
			j.same(number, j.fd, 0, key, value, flags)
		}
	case 3:
		j.same(number, j.fd, 0, key)
	default:
		value := make(buffer, j.m.wide()+8)
		if j.m.typ == bloomFilter {
			value = j.value(0).(buffer)
		}
		there, here := j.same(number, j.fd, 0, key, value, flags)
		if there.errno == 0 && !j.m.typ.fds() && j.m.typ != devMapHash {
			require.Equal(j.t, there.buffers, here.buffers, "command %d of type %d", number, j.m.typ)
		}
	}
}

// keys goes through all keys.
func (j *judged) keys() {
	if j.m.typ.indexed() && j.m.entries > 16 {
		return
	}
	if j.r.IntN(2) == 0 && !j.unordered() {
		j.same(4, j.fd, 0, j.key(), make(buffer, j.m.keySize+8))
		return
	}
	var there, here [][]byte
	theirs, ours := buffer(nil), buffer(nil)
	for range 20 {
		a, _ := j.both(4, j.fd, 0, theirs, make(buffer, j.m.keySize+8))
		_, b := j.both(4, j.fd, 0, ours, make(buffer, j.m.keySize+8))
		require.Equal(j.t, a.errno, b.errno, "next key of type %d", j.m.typ)
		if a.errno != 0 {
			break
		}
		theirs, ours = bytes.Clone(a.buffers[len(a.buffers)-1][:j.m.keySize]), bytes.Clone(b.buffers[len(b.buffers)-1][:j.m.keySize])
		there, here = append(there, theirs), append(here, ours)
	}
	if j.unordered() {
		slices.SortFunc(there, bytes.Compare)
		slices.SortFunc(here, bytes.Compare)
	}
	require.Equal(j.t, there, here, "keys of type %d", j.m.typ)
}

// again opens the map by its id, for one direction or both.
func (j *judged) again() {
	flags := oneOf(j.r, 0, 0, readOnly, writeOnly, readOnly|writeOnly, 1)
	theirs, ours := j.id()
	a := attrOf(theirs, 0, flags)
	fd, want := running(14, a)
	v, _, got := j.call(14, attrOf(ours, 0, flags))
	require.Equal(j.t, want, got, "open_flags %#x", flags)
	if want == 0 {
		j.closed = append(j.closed, fd)
		j.fd = twinFD{fd, uint32(v)}
	}
}

// id is the map's.
func (j *judged) id() (theirs, ours uint32) {
	there, here := j.both(15, j.fd, 88, make(buffer, 88))
	require.Zero(j.t, there.errno)
	require.Zero(j.t, here.errno)
	return native.Uint32(there.buffers[0][4:]), native.Uint32(here.buffers[0][4:])
}

// info compares all but ids.
func (j *judged) info() {
	size := oneOf(j.r, 0, 24, 80, 88, 104, 120)
	info := make(buffer, size)
	if size == 120 && j.r.IntN(2) == 0 {
		info[110] = 1
	}
	var hash buffer
	if size == 104 && j.r.IntN(2) == 0 {
		hash = make(buffer, 32)
	}
	if hash != nil {
		j.infoHash(hash, 32-rarely(j.r, 1))
		return
	}
	there, here := j.same(15, j.fd, size, info)
	if there.errno != 0 {
		return
	}
	require.Equal(j.t, there.attr[4:8], here.attr[4:8], "info_len")
	for _, b := range [][]byte{there.buffers[0], here.buffers[0]} {
		for _, id := range []int{4, 64} {
			if id+4 <= len(b)-8 {
				clear(b[id : id+4])
			}
		}
	}
	require.Equal(j.t, hex.EncodeToString(there.buffers[0]), hex.EncodeToString(here.buffers[0]), "info of type %d", j.m.typ)
}

// infoHash asks for the hash of a map's values.
func (j *judged) infoHash(hash buffer, size int) {
	a, ours := bytes.Clone(hash), j.put(make([]byte, 32))
	info := func(at uint64) []byte { return append(append(make([]byte, 88), attrOf(at, size)...), 0, 0, 0, 0) }
	theirs := info(addressOf(a))
	attr := attrOf(j.fd.there, 104, addressOf(theirs))
	_, want := running(15, attr)
	_, _, got := j.call(15, attrOf(j.fd.here, 104, j.put(info(ours))))
	require.Equal(j.t, want, got, "hash of type %d, frozen %t, value_size %d", j.m.typ, j.m.frozen, j.m.valueSize)
	if want == 0 {
		b, err := j.at(ours, 32)
		require.NoError(j.t, err)
		require.Equal(j.t, a, []byte(b), "hash of type %d", j.m.typ)
	}
}

// batch makes a command on a batch; of maps without an order, on all elements.
func (j *judged) batch(number uint32) {
	r, flags, count := j.r, j.flags()&^3, 1+j.r.IntN(3)
	if r.IntN(3) > 0 {
		flags = 0
	}
	reads := number == 24 || number == 25
	if reads && j.unordered() {
		count = 16
	}
	if r.IntN(10) == 0 {
		count = 0
	}
	each, span := int(j.m.keySize), int(j.m.span(flags))
	keys, values := make(buffer, 16*each+8), make(buffer, 16*span+8)
	for i := range count {
		copy(keys[i*each:], j.key())
		if !j.m.typ.fds() {
			copy(values[i*span:], j.value(flags).(buffer))
		}
	}
	var in buffer
	if reads && !j.unordered() && r.IntN(2) == 0 {
		in = append(j.key(), 0, 0, 0, 0)
	}
	if reads && j.m.typ.hash() && r.IntN(6) == 0 {
		in = append(make(buffer, max(each, 4)), 0, 0, 0, 0)
		copy(in, attrOf(1<<20))
	}
	there, here := j.same(number, in, make(buffer, max(each, 4)+8), keys, values, count, j.fd, flags, uint64(rarely(r, 1)))
	require.Equal(j.t, there.attr[32:36], here.attr[32:36], "count of command %d, type %d", number, j.m.typ)
	if !reads || there.errno != 0 && there.errno != mprog.ENOENT || j.m.typ.outer() {
		return
	}
	n := int(native.Uint32(there.attr[32:]))
	last := len(there.buffers) - 2
	require.Equal(j.t, pairs(there.buffers[last], there.buffers[last+1], each, span, n, j.unordered()),
		pairs(here.buffers[last], here.buffers[last+1], each, span, n, j.unordered()), "command %d, type %d, flags %#x", number, j.m.typ, flags)
}

// pairs are the keys and values of a batch.
func pairs(keys, values []byte, each, span, n int, sorted bool) (list [][]byte) {
	for i := range n {
		list = append(list, slices.Concat(keys[i*each:(i+1)*each], values[i*span:(i+1)*span]))
	}
	if sorted {
		slices.SortFunc(list, bytes.Compare)
	}
	return list
}
