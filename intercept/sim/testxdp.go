package sim

import (
	"fmt"

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
	hasFragments = 1 << 5 // BPF_F_XDP_HAS_FRAGS
)

// testXDP is bpf_prog_test_run_xdp. Packets in more than one page are not
// simulated, nor is sending what the program returns.
func (k *call) testXDP(p *program) error {
	switch flags := k.u32(testFlags); {
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
	meta, fragments := uint32(0), size > maxXDPData && p.flags&hasFragments != 0
	if ctx != nil {
		field := func(at int) uint32 { return native.Uint32(ctx[at:]) }
		meta = field(xdpData)
		switch end := field(xdpDataEnd); {
		case field(xdpDataMeta) != 0, end > size, meta > end, meta%4 != 0, meta > maxXDPMeta, size-meta < ethernetHeader:
			return refuse("test-run/context", mprog.EINVAL, "data %d, data_end %d, data_meta %d with %d bytes", meta, end, field(xdpDataMeta), size)
		default:
			fragments = fragments || end < size
		}
	}
	data, err := k.testData(maxXDPData - meta)
	if err != nil {
		return err
	}
	device := uint32(loopback)
	if ctx != nil {
		if device, err = k.receiver(ctx); err != nil {
			return err
		}
	}
	if fragments {
		return fmt.Errorf("test run with a packet of %d bytes in fragments: %w", size, mprog.ErrUnsupported)
	}
	packet := machine.NewPacket(data[meta:], device)
	packet.Outside, packet.Task = k.caller.Outside(), k.caller.Task
	packet.SetMetadata(data[:meta])
	verdict, err := k.repeatTest(p, packet)
	if err != nil {
		return err
	}
	meta = uint32(len(packet.Metadata()))
	out := append(append([]byte{}, packet.Metadata()...), packet.Data...)
	if err := k.finishTest(out, verdict); err != nil {
		return err
	}
	if ctx == nil {
		return nil
	}
	native.PutUint32(ctx[xdpData:], meta)
	native.PutUint32(ctx[xdpDataEnd:], uint32(len(out)))
	return k.contextOut(ctx)
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
