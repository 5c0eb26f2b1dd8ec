package sim

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/mprog"
)

// Where BPF_PROG_TEST_RUN has its fields.
const (
	testRetval     = 4
	testSizeIn     = 8
	testSizeOut    = 12
	testDataIn     = 16
	testDataOut    = 24
	testRepeat     = 32
	testDuration   = 36
	testContextIn  = 40 // ctx_size_in
	testContextOut = 44 // ctx_size_out
	testContext    = 48 // ctx_in
	testFlags      = 64
	testEnd        = 76
)

const (
	ethernetHeader = 14
	maxTestData    = 1 << 16
	maxSKBData     = pageSize - 64 - 320 // what struct sk_buff leaves of a page
	checksumFlag   = 1 << 2              // BPF_F_TEST_SKB_CHECKSUM_COMPLETE
	maxWireLen     = 1 << 16             // GSO_LEGACY_MAX_SIZE
	maxRepeat      = 100_000             // more is not worth anybody's time
)

// testRun is bpf_prog_test_run_skb, and what bpf_prog_test_run_xdp has in common
// with it.
func (k *call) testRun() error {
	_, p, err := k.progByFD("prog_fd", k.u32(0))
	if err != nil {
		return err
	}
	sizeIn := k.u32(testSizeIn)
	if (sizeIn == 0) != (k.u64(testDataIn) == 0) {
		return refuse("test-run/data", mprog.EINVAL, "data_size_in is %d with data_in at %#x", sizeIn, k.u64(testDataIn))
	}
	typ := mprog.ProgType(p.typ)
	_, given := k.verdicts[p.text()]
	if _, ok := runnable[typ]; !ok && !given {
		return fmt.Errorf("test run of a program of type %d: %w", typ, mprog.ErrUnsupported)
	}
	most := uint32(maxSKBData)
	if typ == mprog.XDP {
		most = maxTestData
	}
	if _, ok := runnable[typ]; ok && (sizeIn < ethernetHeader || sizeIn > most) {
		return refuse("test-run/size", mprog.EINVAL, "%d bytes are no packet", sizeIn)
	}
	k.attr[testFlags] &^= checksumFlag // which makes no difference here
	if at := nonzero(k.attr, testFlags, testEnd); typ != mprog.XDP && at < testEnd {
		return refuse("test-run/flags", mprog.EINVAL, "byte %d of flags, cpu and batch_size is nonzero", at)
	}
	data := make([]byte, min(sizeIn, maxTestData))
	if err := k.read(k.u64(testDataIn), data); err != nil {
		return err
	}
	packet := machine.NewPacket(data, loopback)
	packet.ToLoopback()
	clear(packet.Context[machine.SKBWireLen:][:4]) // unless there is a context
	if typ != mprog.XDP {
		if err := k.readContext(packet); err != nil {
			return err
		}
	}
	if packet.Short() {
		return refuse("test-run/size", mprog.EINVAL, "%d bytes have no room for an IP header", sizeIn)
	}
	if typ == mprog.SocketFilter {
		packet.Pull()
	}
	var verdict int32
	for range min(max(k.u32(testRepeat), 1), maxRepeat) {
		if verdict, err = k.Sim.run(p, k.caller.Netns(), packet); err != nil {
			return fmt.Errorf("run %s: %w: %w", p.label(), err, mprog.ErrUnsupported)
		}
	}
	out := packet.Data
	if typ == mprog.SocketFilter {
		out = append(make([]byte, ethernetHeader), out...) // in the header's place
	}
	return k.finishTest(packet, out, verdict)
}

// finishTest is bpf_test_finish and bpf_ctx_finish.
func (k *call) finishTest(packet *machine.Packet, full []byte, verdict int32) error {
	room := k.u32(testSizeOut)
	tight := room != 0 && room < uint32(len(full))
	if out := k.u64(testDataOut); out != 0 {
		data := full
		if tight {
			data = data[:room]
		}
		if err := k.write(Segment{out, bytes.Clone(data)}); err != nil {
			return err
		}
	}
	for _, field := range []struct{ at, value uint32 }{
		{testSizeOut, uint32(len(full))}, {testRetval, uint32(verdict)}, {testDuration, 1},
	} {
		if err := k.put(field.at, field.value); err != nil {
			return err
		}
	}
	if tight && k.u64(testDataOut) != 0 {
		return refuse("test-run/no-space", mprog.ENOSPC, "room for %d of %d bytes", room, len(full))
	}
	return k.writeContext(packet)
}

// fromContext are the fields of struct __sk_buff that a test run may set
// (convert___skb_to_skb), by where they begin and end.
var fromContext = [][2]int{
	{machine.SKBMark, machine.SKBMark + 4}, {machine.SKBPriority, machine.SKBCB - 4}, // priority to ifindex
	{machine.SKBCB, machine.SKBCB + 20}, {machine.SKBTime, machine.SKBTime + 16}, // tstamp, wire_len, gso_segs
	{176, 180}, {184, 192}, // gso_size, hwtstamp
}

func (k *call) readContext(packet *machine.Packet) error {
	address, size := k.u64(testContext), k.u32(testContextIn)
	if address == 0 {
		return nil
	}
	if size > pageSize {
		return refuse("test-run/context-size", mprog.E2BIG, "ctx_size_in %d is more than a page", size)
	}
	in := make([]byte, size)
	if err := k.read(address, in); err != nil {
		return err
	}
	if at := nonzero(in, uint32(len(packet.Context)), size); at < size {
		return refuse("test-run/context-size", mprog.E2BIG, "byte %d is nonzero, this kernel's __sk_buff ends at %d", at, len(packet.Context))
	}
	in = append(in, make([]byte, len(packet.Context))...)[:len(packet.Context)]
	for at, b := range in {
		within := func(field [2]int) bool { return at >= field[0] && at < field[1] }
		if b != 0 && !slices.ContainsFunc(fromContext, within) {
			return refuse("test-run/context", mprog.EINVAL, "byte %d of ctx_in is nonzero", at)
		}
	}
	for _, field := range fromContext {
		copy(packet.Context[field[0]:field[1]], in[field[0]:field[1]])
	}
	if native.Uint32(packet.Context[40:]) == 0 {
		packet.On(loopback)
	}
	wire := packet.Context[machine.SKBWireLen:]
	if n := native.Uint32(wire); n == 0 {
		native.PutUint32(wire, uint32(len(packet.Data)))
	} else if n < uint32(len(packet.Data)) || n > maxWireLen {
		return refuse("test-run/context", mprog.EINVAL, "wire_len %d with %d bytes", n, len(packet.Data))
	}
	return nil
}

// toContext are the fields that a test run gives back (convert_skb_to___skb).
var toContext = [][2]int{
	{machine.SKBMark, machine.SKBMark + 4}, {machine.SKBPriority, machine.SKBCB - 4},
	{machine.SKBCB, machine.SKBCB + 20}, {machine.SKBTime, machine.SKBTime + 16}, {184, 192},
}

func (k *call) writeContext(packet *machine.Packet) error {
	address, size := k.u64(testContext+8), k.u32(testContextOut)
	if address == 0 {
		return nil
	}
	out := make([]byte, len(packet.Context))
	for _, field := range toContext {
		copy(out[field[0]:field[1]], packet.Context[field[0]:field[1]])
	}
	if err := k.write(Segment{address, out[:min(size, uint32(len(out)))]}); err != nil {
		return err
	}
	if err := k.put(testContextOut, uint32(len(out))); err != nil {
		return err
	}
	if size < uint32(len(out)) {
		return refuse("test-run/no-space", mprog.ENOSPC, "room for %d of %d bytes of ctx_out", size, len(out))
	}
	return nil
}

// label names the program to people.
func (p *program) label() string { return strings.TrimSpace(fmt.Sprintf("%s (id %d)", p.text(), p.id)) }

// text is the program's name.
func (p *program) text() string {
	name, _, _ := bytes.Cut(p.name[:], []byte{0})
	return string(name)
}
