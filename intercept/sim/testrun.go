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
	maxSKBData     = pageSize - 64 - 320 // what struct sk_buff leaves of a page
	checksumFlag   = 1 << 2              // BPF_F_TEST_SKB_CHECKSUM_COMPLETE
	badMessage     = mprog.Errno(74)     // EBADMSG
	maxWireLen     = 1 << 16             // GSO_LEGACY_MAX_SIZE
	maxRepeat      = 100_000             // more is not worth anybody's time
	testCookies    = 1 << 62             // from here on no socket of the running kernel's has its cookie
)

// testRun is bpf_prog_test_run.
func (k *call) testRun() error {
	_, p, err := k.progByFD("prog_fd", k.u32(0))
	if err != nil {
		return err
	}
	sizeIn := k.u32(testSizeIn)
	if (sizeIn == 0) != (k.u64(testDataIn) == 0) {
		return refuse("test-run/data", mprog.EINVAL, "data_size_in is %d with data_in at %#x", sizeIn, k.u64(testDataIn))
	}
	kind, known := runnable[mprog.ProgType(p.typ)]
	_, given := k.given(p)
	switch {
	case !known && !given && !testedByKernel[p.typ]:
		return refuse("test-run/type", mprog.ENOTSUPP, "the kernel has no test runs of programs of type %d", p.typ)
	case !known && !given:
		k.warn(fmt.Sprintf("test run of a program of type %d: not simulated: it fails with EOPNOTSUPP", p.typ))
		return fmt.Errorf("test run of a program of type %d: %w", p.typ, mprog.ErrUnsupported)
	case kind == machine.XDP && known:
		return k.testXDP(p)
	}
	return k.testSKB(p)
}

// testedByKernel are the types of programs that the kernel has test runs of, besides
// those that are run here.
var testedByKernel = map[uint32]bool{
	4: true, 10: true, 11: true, 12: true, progSkSkb: true, progRawTracepoint: true, 19: true, progFlowDissector: true,
	progRawWritable: true, progTracing: true, progStructOps: true, progSkLookup: true, 31: true, progNetfilter: true,
}

// testData reads the packet, which has a link layer's header.
func (k *call) testData(most uint32) (data []byte, err error) {
	size := k.u32(testSizeIn)
	if size < ethernetHeader || size > most {
		return nil, refuse("test-run/size", mprog.EINVAL, "%d bytes are no packet", size)
	}
	data = make([]byte, size)
	return data, k.read(k.u64(testDataIn), data)
}

// repeatTest runs the program as often as is asked for.
func (k *call) repeatTest(p *program, packet *machine.Packet) (verdict int32, err error) {
	for range min(max(k.u32(testRepeat), 1), maxRepeat) {
		if verdict, err = k.Sim.run(p, packet); err != nil {
			return 0, fmt.Errorf("run %s: %w: %w", p.label(), err, mprog.ErrUnsupported)
		}
	}
	return verdict, nil
}

// testSKB is bpf_prog_test_run_skb.
func (k *call) testSKB(p *program) error {
	complete := k.attr[testFlags]&checksumFlag != 0
	k.attr[testFlags] &^= checksumFlag
	if at := nonzero(k.attr, testFlags, testEnd); at < testEnd {
		return refuse("test-run/flags", mprog.EINVAL, "byte %d of flags, cpu and batch_size is nonzero", at)
	}
	data, err := k.testData(maxSKBData)
	if err != nil {
		return err
	}
	packet := machine.NewPacket(data, loopback)
	packet.Outside, packet.Task = k.caller.Outside(), k.caller.Task
	k.cookies++
	packet.Sender = packet.TestSender(testCookies + k.cookies) // of root's
	defer k.forget(packet.Sender.Cookie)
	packet.Sender.Cgroups = func() []uint64 { return k.caller.Task().Groups() }
	packet.ToLoopback()
	clear(packet.Context[machine.SKBWireLen:][:4]) // unless there is a context
	if packet.Short() {
		return refuse("test-run/size", mprog.EINVAL, "%d bytes have no room for an IP header", len(data))
	}
	linkLayer := mprog.ProgType(p.typ) == mprog.SchedCLS
	if !linkLayer {
		packet.Pull()
	}
	if err := k.readContext(packet); err != nil {
		return err
	}
	if complete {
		packet.SetChecksum()
	}
	verdict, err := k.repeatTest(p, packet)
	if err != nil {
		return err
	}
	if complete && !packet.ChecksumHolds() {
		return refuse("test-run/checksum", badMessage, "the program has left the packet's checksum wrong")
	}
	out := packet.Data
	if !linkLayer {
		out = append(make([]byte, ethernetHeader), out...) // in the header's place
	}
	if err := k.finishTest(out, verdict); err != nil {
		return err
	}
	return k.writeContext(packet)
}

// finishTest is bpf_test_finish.
func (k *call) finishTest(full []byte, verdict int32) error {
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
	return nil
}

// fromContext are the fields of struct __sk_buff that a test run may set
// (convert___skb_to_skb), by where they begin and end.
var fromContext = [][2]int{
	{machine.SKBMark, machine.SKBMark + 4}, {machine.SKBPriority, machine.SKBCB - 4}, // priority to ifindex
	{machine.SKBCB, machine.SKBCB + 20}, {machine.SKBTime, machine.SKBTime + 16}, // tstamp, wire_len, gso_segs
	{176, 180}, {184, 192}, // gso_size, hwtstamp
}

// contextIn reads the context that the caller gives, nil for none: shorter ones go
// on with zeros, and so may longer ones (bpf_ctx_init).
func (k *call) contextIn(size int) ([]byte, error) {
	address, given := k.u64(testContext), k.u32(testContextIn)
	if address == 0 {
		return nil, nil
	}
	if given > pageSize {
		return nil, refuse("test-run/context-size", mprog.E2BIG, "ctx_size_in %d is more than a page", given)
	}
	in := make([]byte, max(given, uint32(size)))
	if err := k.read(address, in[:given]); err != nil {
		return nil, err
	}
	if at := nonzero(in, uint32(size), given); at < given {
		return nil, refuse("test-run/context-size", mprog.E2BIG, "byte %d is nonzero, this kernel's context ends at %d", at, size)
	}
	return in[:size], nil
}

func (k *call) readContext(packet *machine.Packet) error {
	in, err := k.contextIn(len(packet.Context))
	if in == nil || err != nil {
		return err
	}
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
	out := make([]byte, len(packet.Context))
	for _, field := range toContext {
		copy(out[field[0]:field[1]], packet.Context[field[0]:field[1]])
	}
	return k.contextOut(out)
}

// contextOut is bpf_ctx_finish.
func (k *call) contextOut(out []byte) error {
	address, size := k.u64(testContext+8), k.u32(testContextOut)
	if address == 0 {
		return nil
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
