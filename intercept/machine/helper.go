package machine

import "bytes"

const tailCall = 12

// Numbers of errno that helpers return.
const (
	noEntry = 2  // ENOENT
	fault   = 14 // EFAULT
	invalid = 22 // EINVAL
)

func failed(errno int) uint64 { return uint64(-int64(errno)) }

// helpers are the kernel's functions, by number (include/uapi/linux/bpf.h).
var helpers map[int32]func(*run) (uint64, error)

func init() { // a table that its own functions refer to
	number := func(v uint64) func(*run) (uint64, error) {
		return func(*run) (uint64, error) { return v, nil }
	}
	now := func(m *run) (uint64, error) { return m.world.Now(), nil }
	helpers = map[int32]func(*run) (uint64, error){
		1:        (*run).mapLookup,
		2:        (*run).mapUpdate,
		3:        (*run).mapDelete,
		5:        now, // ktime_get_ns
		6:        (*run).tracePrintk,
		7:        func(m *run) (uint64, error) { return uint64(m.world.Random()), nil },
		8:        number(0), // get_smp_processor_id
		9:        (*run).storeBytes,
		tailCall: number(0), // see run.tailCall
		23:       (*run).redirect,
		26:       (*run).loadBytes,
		34:       func(m *run) (uint64, error) { return uint64(native.Uint32(m.packet.Context[skbHash:])), nil },
		39:       (*run).pullData,
		41:       number(0), // set_hash_invalid
		42:       number(0), // get_numa_node_id
		46:       number(0), // get_socket_cookie
		87:       (*run).mapPush,
		88:       func(m *run) (uint64, error) { return m.mapPop(true) },
		89:       func(m *run) (uint64, error) { return m.mapPop(false) },
		93:       number(0),                                                              // spin_lock
		94:       number(0),                                                              // spin_unlock
		118:      func(m *run) (uint64, error) { return m.world.Now() / 4_000_000, nil }, // jiffies64
		125:      now,                                                                    // ktime_get_boot_ns
		160:      now,                                                                    // ktime_get_coarse_ns
		189:      (*run).loadBytes,                                                       // xdp_load_bytes
		190:      (*run).storeBytes,                                                      // xdp_store_bytes
		208:      now,                                                                    // ktime_get_tai_ns
	}
}

// key reads the key that r2 points to.
func (m *run) key() (of Map, key []byte, err error) {
	if of, err = m.mapAt(m.r[1]); err != nil {
		return nil, nil, err
	}
	key, err = m.bytes(m.r[2], int(of.KeySize()))
	return of, key, err
}

func (m *run) mapLookup() (uint64, error) {
	of, key, err := m.key()
	if err != nil {
		return 0, err
	}
	if id, ok := of.Inner(key); ok {
		return mapAddress(id), nil
	}
	value := of.Lookup(key)
	if value == nil {
		return 0, nil
	}
	return m.share(value), nil
}

func (m *run) mapUpdate() (uint64, error) {
	of, key, err := m.key()
	if err != nil {
		return 0, err
	}
	value, err := m.bytes(m.r[3], int(of.ValueSize()))
	if err != nil {
		return 0, err
	}
	return failed(of.Update(bytes.Clone(key), bytes.Clone(value), m.r[4])), nil
}

func (m *run) mapDelete() (uint64, error) {
	of, key, err := m.key()
	if err != nil {
		return 0, err
	}
	return failed(of.Delete(key)), nil
}

func (m *run) mapPush() (uint64, error) {
	of, err := m.mapAt(m.r[1])
	if err != nil {
		return 0, err
	}
	value, err := m.bytes(m.r[2], int(of.ValueSize()))
	if err != nil {
		return 0, err
	}
	return failed(of.Push(bytes.Clone(value), m.r[3])), nil
}

func (m *run) mapPop(remove bool) (uint64, error) {
	of, err := m.mapAt(m.r[1])
	if err != nil {
		return 0, err
	}
	to, err := m.bytes(m.r[2], int(of.ValueSize()))
	if err != nil {
		return 0, err
	}
	value := of.Pop(remove)
	if value == nil {
		clear(to)
		return failed(noEntry), nil
	}
	copy(to, value)
	return 0, nil
}

// tracePrintk prints nowhere, and says that it did.
func (m *run) tracePrintk() (uint64, error) {
	text, err := m.bytes(m.r[1], int(uint32(m.r[2])))
	if err != nil {
		return 0, err
	}
	text, _, _ = bytes.Cut(text, []byte{0})
	return uint64(len(text)), nil
}

// loadBytes is bpf_skb_load_bytes: of the packet, from an offset on.
func (m *run) loadBytes() (uint64, error) {
	to, err := m.bytes(m.r[3], int(uint32(m.r[4])))
	if err != nil {
		return 0, err
	}
	at, n := uint64(uint32(m.r[2])), uint64(len(to))
	if at+n > uint64(len(m.packet.Data)) {
		clear(to)
		return failed(fault), nil
	}
	copy(to, m.packet.Data[at:])
	return 0, nil
}

// storeBytes is bpf_skb_store_bytes.
func (m *run) storeBytes() (uint64, error) {
	from, err := m.bytes(m.r[3], int(uint32(m.r[4])))
	if err != nil {
		return 0, err
	}
	at, n := uint64(uint32(m.r[2])), uint64(len(from))
	if at+n > uint64(len(m.packet.Data)) {
		return failed(fault), nil
	}
	copy(m.packet.Data[at:], from)
	return 0, nil
}

// pullData has nothing to do, as packets are in one piece.
func (m *run) pullData() (uint64, error) {
	if uint64(uint32(m.r[2])) > uint64(len(m.packet.Data)) {
		return failed(invalid), nil
	}
	return 0, nil
}

// What bpf_redirect returns for the program to return.
const (
	tcShot     = 2
	tcRedirect = 7
	flagIn     = 1 // BPF_F_INGRESS
)

func (m *run) redirect() (uint64, error) {
	if m.program.kind != SKB || m.r[2]&^flagIn != 0 {
		return tcShot, nil
	}
	m.packet.Redirect = Redirect{Ifindex: uint32(m.r[1]), Ingress: m.r[2]&flagIn != 0}
	return tcRedirect, nil
}
