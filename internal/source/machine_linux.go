package source

import (
	"bytes"
	"fmt"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// machine is one kernel that a [fake.Kernel] asks.
type machine struct {
	code *code
	mem  *memory
	c    *call
}

var _ fake.Code = (*machine)(nil)

func (c *code) newMachine() (*machine, error) {
	mem, err := c.take()
	if err != nil {
		return nil, err
	}
	m := &machine{code: c, mem: mem, c: mem.call}
	m.do(opOpen, machineSize, uint64(c.mutant))
	return m, nil
}

// do makes a call with arguments and returns the answer.
func (m *machine) do(op uint32, args ...uint64) int64 {
	m.c.op = op
	copy(m.c.arg[:], args)
	m.code.run(m.mem)
	return m.c.result
}

// end returns what the call let go of, and what it broke.
func (m *machine) end() ([]fake.CodeObject, error) {
	gone := m.c.gone[:m.c.ngone]
	if m.c.warned > 0 {
		return gone, fmt.Errorf("the kernel's code warns: %s", text(m.c.warning[:]))
	}
	if m.c.uncovered[0] != 0 {
		return gone, fmt.Errorf("%w: not covered: %s is not among the functions compiled", mprog.ErrUnsupported, text(m.c.uncovered[:]))
	}
	return gone, nil
}

func text(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}

func (m *machine) Attr() *attr.Buffer { return &m.c.attr }

func (m *machine) Command(cmd attr.Command, size uint32, by fake.CodeCaller, arrays *[4][]uint32) (int64, []fake.CodeObject, error) {
	c := m.c
	c.cmd, c.size, c.net, c.caps, c.nextFD = uint32(cmd), size, by.Netns, by.Caps, by.NextFD
	m.open(cmd, size, by.File)
	for i := range c.room {
		c.room[i] = 0
		if arrays != nil {
			c.room[i] = uint32(min(len(arrays[i]), entries))
		}
	}
	m.do(opBPF)
	for i, n := range c.written {
		if n > 0 {
			copy(arrays[i], c.array[i][:n])
		}
	}
	gone, err := m.end()
	return c.result, gone, err
}

// fdsAt are the offsets at which commands have fds; of others every word may be one.
var fdsAt = map[attr.Command][]uint32{
	attr.ProgAttach: {0, 4, 16, 20}, attr.ProgDetach: {0, 4, 16, 20}, attr.ProgQuery: {0},
	attr.LinkCreate: {0, 4, 16}, attr.LinkUpdate: {0, 4, 12}, attr.LinkDetach: {0},
}

// everyWord is where fds are in a command that is not known.
var everyWord = func() (list []uint32) {
	for i := range uint32(len(call{}.fds)) {
		list = append(list, 4*i)
	}
	return list
}()

// open looks up every number of the attr that may be an fd.
func (m *machine) open(cmd attr.Command, size uint32, file func(uint32) fake.CodeObject) {
	offsets, ok := fdsAt[cmd]
	if !ok {
		offsets = everyWord
	}
	n := 0
	for _, at := range offsets {
		fd := uint32(0) // where the attr ends in front
		if at < size {
			b := m.c.attr[at:]
			fd = uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
			if size < at+4 { // within the word
				fd &= 1<<(8*(size-at)) - 1
			}
		}
		if f := file(fd); f.Kind != 0 {
			e := &m.c.fds[n]
			e.fd, e.kind, e.id = fd, f.Kind, f.ID
			n++
		}
	}
	m.c.nfds = uint32(n)
}

func (m *machine) LastLink() uint32 { return m.c.last }

func (m *machine) Installed() fake.CodeObject { return m.c.installed }

func (m *machine) NewProg(id uint32, spec mprog.ProgSpec) error {
	typ := spec.Type
	if typ == 0 {
		typ = mprog.SchedCLS
	}
	enforce := spec.Expected == mprog.CgroupInetEgress && spec.Return > 1 // says the verifier
	return failed("new program", m.do(opProgNew, uint64(id), uint64(typ), uint64(spec.Expected), number(enforce), uint64(spec.Return)))
}

func (m *machine) HoldProg(id uint32) { m.do(opProgGet, uint64(id)) }

func (m *machine) PutProg(id uint32) ([]fake.CodeObject, error) {
	m.do(opProgPut, uint64(id))
	return m.end()
}

func (m *machine) PutLink(id uint32) ([]fake.CodeObject, error) {
	m.do(opLinkPut, uint64(id))
	return m.end()
}

func (m *machine) LinkInfo(id uint32) (mprog.ObjectInfo, error) {
	if answer := m.do(opLinkInfo, uint64(id)); answer != 0 {
		return mprog.ObjectInfo{}, fmt.Errorf("info: the link's own function returns %d, not 0", answer)
	}
	a := &m.c.arg
	return mprog.ObjectInfo{
		Kind: mprog.LinkObject, ID: id, LinkType: mprog.LinkType(a[0]), ProgID: uint32(a[1]),
		Ifindex: uint32(a[2]), AttachType: mprog.AttachType(a[3]),
	}, nil
}

func (m *machine) NewDevice(net, ifindex uint32, netkit, primary, single bool) (uint64, error) {
	m.c.net = net
	n := m.do(opDevNew, uint64(ifindex), number(netkit), number(primary), number(single))
	return uint64(n), failed("new device", n)
}

func (m *machine) PairDevices(a, b uint64) { m.do(opDevPair, a, b) }

func (m *machine) MoveDevice(device uint64, net, ifindex uint32) {
	m.do(opDevMove, device, uint64(net), uint64(ifindex))
}

func (m *machine) DeleteDevice(device uint64) ([]fake.CodeObject, error) {
	m.do(opDevDel, device)
	return m.end()
}

func (m *machine) Programs(device uint64, at mprog.AttachType) []uint32 {
	n := m.do(opList, device, uint64(at))
	return m.c.array[0][:n]
}

// Close tells of what the code has not let go of, now that all devices, fds and pins are gone.
func (m *machine) Close() error {
	left := m.do(opClose)
	_, err := m.end()
	if err == nil && left > 0 {
		err = fmt.Errorf("the kernel's code leaks: %d blocks of memory are left", left)
	}
	m.code.giveBack(m.mem)
	m.mem = nil
	return err
}

func failed(what string, answer int64) error {
	if answer < 0 && answer > -4096 {
		return fmt.Errorf("%s: the kernel's code has no memory left: %w", what, mprog.Errno(-answer))
	}
	return nil
}

func number(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
