package sim

import (
	"bytes"
	"fmt"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/mprog"
)

// Where struct xdp_md has its fields.
const (
	xdpData      = 0
	xdpDataEnd   = 4
	xdpDataMeta  = 8
	xdpIngress   = 12                   // ingress_ifindex
	xdpQueue     = 16                   // rx_queue_index
	xdpEgress    = 20                   // egress_ifindex
	xdpContext   = 24                   // sizeof(struct xdp_md)
	maxXDPData   = pageSize - 256 - 320 // what a page has besides head and tail
	liveFrames   = 1 << 1               // BPF_F_TEST_XDP_LIVE_FRAMES
	maxXDPMeta   = 256 - 40             // what the head has besides struct xdp_frame
	testBatch    = 72
	maxFragments = 17 // MAX_SKB_FRAGS
)

// testXDP is bpf_prog_test_run_xdp. Sending what the program returns is not simulated.
func (k *call) testXDP(p *program) error {
	switch flags := k.u32(testFlags); {
	case p.attach == forDevmap, p.attach == forCPUMap:
		return refuse("test-run/type", mprog.EINVAL, "the program is one for maps")
	case flags&^liveFrames != 0:
		return refuse("test-run/flags", mprog.EINVAL, "flags %#x", flags)
	case flags != 0:
		return fmt.Errorf("test run with BPF_F_TEST_XDP_LIVE_FRAMES: %w", mprog.ErrUnsupported)
	case k.u32(testBatch) != 0:
		return refuse("test-run/flags", mprog.EINVAL, "batch_size without live frames")
	}
	size := k.u32(testSizeIn)
	ctx, err := k.contextIn(xdpContext)
	if err != nil {
		return err
	}
	meta, linear := uint32(0), size
	if ctx != nil {
		field := func(at int) uint32 { return native.Uint32(ctx[at:]) }
		meta = field(xdpData)
		switch end := field(xdpDataEnd); {
		case field(xdpDataMeta) != 0, end > size, meta > end, meta%4 != 0, meta > maxXDPMeta, size-meta < ethernetHeader:
			return refuse("test-run/context", mprog.EINVAL, "data %d, data_end %d, data_meta %d with %d bytes", meta, end, field(xdpDataMeta), size)
		default:
			linear = end
		}
	}
	linear = min(linear, maxXDPData+meta)
	if linear < ethernetHeader || size < ethernetHeader {
		return refuse("test-run/size", mprog.EINVAL, "%d bytes, %d of them in one piece, are no packet", size, linear)
	}
	device := uint32(loopback)
	if ctx != nil {
		if device, err = k.receiver(ctx); err != nil {
			return err
		}
	}
	if size-linear > maxFragments*pageSize {
		return refuse("test-run/size", mprog.ENOMEM, "%d bytes are more than fit into %d fragments", size, maxFragments)
	}
	data := make([]byte, size)
	if err := k.read(k.u64(testDataIn), data); err != nil {
		return err
	}
	packet := machine.NewPacket(data[meta:linear:linear], device)
	packet.Fragment(data[linear:])
	packet.Outside, packet.Task = k.caller.Outside(), k.caller.Task
	packet.SetMetadata(data[:meta])
	verdict, err := k.repeatTest(p, packet)
	if err != nil {
		return err
	}
	meta = uint32(len(packet.Metadata()))
	out := append(append([]byte{}, packet.Metadata()...), packet.Whole()...)
	if err := k.tightRoom(out, len(out)-int(meta)-len(packet.Data)); err != nil {
		return err
	}
	if err := k.finishTest(out, verdict); err != nil {
		return err
	}
	if ctx == nil {
		return nil
	}
	native.PutUint32(ctx[xdpData:], meta)
	native.PutUint32(ctx[xdpDataEnd:], meta+uint32(len(packet.Data)))
	return k.contextOut(ctx)
}

// tightRoom has what is in fragments, so many bytes, behind less of what is not, where there
// is room for a part of the packet: so kernels before 7.3 write it, and nothing if there is
// less room than that.
func (k *call) tightRoom(out []byte, rest int) error {
	room := int(k.u32(testSizeOut))
	switch {
	case rest == 0, room == 0, room >= len(out), k.u64(testDataOut) == 0, !k.kernel.Running().Before(fake.Version(7, 3)):
		return nil
	case room < rest:
		return refuse("test-run/no-space", mprog.ENOSPC, "room for %d of %d bytes, %d of them in fragments", room, len(out), rest)
	}
	copy(out[room-rest:room], bytes.Clone(out[len(out)-rest:]))
	return nil
}

// receiver is the device at which the packet of a context is to arrive.
func (k *call) receiver(ctx []byte) (ifindex uint32, err error) {
	device, queue := native.Uint32(ctx[xdpIngress:]), native.Uint32(ctx[xdpQueue:])
	if native.Uint32(ctx[xdpEgress:]) != 0 || device == 0 && queue != 0 {
		return 0, refuse("test-run/context", mprog.EINVAL, "ingress_ifindex %d, rx_queue_index %d", device, queue)
	}
	if device == 0 {
		return loopback, nil
	}
	known := device == loopback
	if outside := k.caller.Outside(); outside != nil && !known {
		_, known = outside.Device(device)
	}
	switch {
	case !known:
		return 0, refuse("test-run/context", mprog.ENODEV, "no device has ifindex %d", device)
	case queue != 0:
		return 0, refuse("test-run/context", mprog.EINVAL, "the device has no queue %d", queue)
	}
	return device, nil
}
