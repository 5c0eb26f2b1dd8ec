package machine

import (
	"errors"
	"fmt"

	"github.com/nkconform/nkconform/intercept/layout"
)

// Programs read structures of the kernel's that stand behind their context, at places
// that the running kernel's types give. Of each structure a few fields are known; to
// read any other ends the run.

// object is a structure of the kernel's that a program can reach.
type object struct {
	name   string
	fields map[string]layout.Field
	value  values
}

// values has what a structure's fields are: a uint64, bytes, or nil for what is not
// known.
type values func(field string) (any, error)

// structure makes a structure reachable and returns its address.
func (m *run) structure(name string, value values) (uint64, error) {
	types, err := m.world.Types()
	if err != nil {
		return 0, fmt.Errorf("struct %s: %w: %w", name, ErrUnknown, err)
	}
	fields := types.Structure(name)
	if fields == nil {
		return 0, fmt.Errorf("struct %s, which the running kernel does not have: %w", name, ErrUnknown)
	}
	return m.object(name, fields, value), nil
}

// object makes a structure reachable whose fields are known.
func (m *run) object(name string, fields map[string]layout.Field, value values) uint64 {
	address := m.add(nil)
	if m.objects == nil {
		m.objects = make(map[uint64]*object)
	}
	m.objects[address>>regionBits] = &object{name, fields, value}
	return address
}

// read returns bytes of a structure, which must be within one field.
func (o *object) read(at uint64, size int) ([]byte, error) {
	inside := ""
	for name, f := range o.fields {
		if at < uint64(f.Offset) || at+uint64(size) > uint64(f.Offset)+uint64(f.Size) {
			continue
		}
		v, err := o.value(name)
		switch v := v.(type) {
		case uint64:
			p := make([]byte, 8)
			put(p, int(min(f.Size, 8)), v)
			return p[at-uint64(f.Offset):][:size], err
		case []byte:
			p := append(append([]byte{}, v...), make([]byte, f.Size)...)
			return p[at-uint64(f.Offset):][:size], err
		}
		if err != nil {
			return nil, err
		}
		if inside == "" || len(name) < len(inside) || len(name) == len(inside) && name < inside {
			inside = name
		}
	}
	if inside == "" {
		return nil, fmt.Errorf("%d bytes at %d of struct %s: %w", size, at, o.name, ErrUnknown)
	}
	return nil, fmt.Errorf("%s of struct %s: %w", inside, o.name, ErrUnknown)
}

// errNowhere says that an address is nobody's.
var errNowhere = errors.New("no such address")

// nowhere is what helpers return for such an address: whether the kernel may have one
// like it is told, too (copy_from_kernel_nofault_allowed).
func nowhere(address uint64) uint64 {
	const kernelBegin = -1 << 47
	if int64(address) < kernelBegin || int64(address) >= 0 {
		return failed(outOfRange)
	}
	return failed(fault)
}

// peek reads memory at any address.
func (m *run) peek(address uint64, size int) ([]byte, error) {
	n := address >> regionBits
	if n == m.ctx>>regionBits {
		kernel, err := m.kernelContext()
		if err != nil {
			return nil, err
		}
		n = kernel >> regionBits
	}
	switch o := m.objects[n]; {
	case o != nil:
		return o.read(address&(1<<regionBits-1), size)
	case n == 0 || n > uint64(len(m.regions)):
		return nil, errNowhere
	}
	p, err := m.bytes(address, size)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrUnknown)
	}
	return p, nil
}

// probeRead is bpf_probe_read_kernel.
func (m *run) probeRead() (uint64, error) {
	to, err := m.bytes(m.r[1], int(uint32(m.r[2])))
	if err != nil || len(to) == 0 {
		return 0, err
	}
	from, err := m.peek(m.r[3], len(to))
	if errors.Is(err, errNowhere) {
		clear(to)
		return nowhere(m.r[3]), nil
	}
	copy(to, from)
	return 0, err
}

// probeText is bpf_probe_read_kernel_str: up to a zero, which is counted.
func (m *run) probeText() (uint64, error) {
	to, err := m.bytes(m.r[1], int(uint32(m.r[2])))
	if err != nil || len(to) == 0 {
		return 0, err
	}
	for i := range to {
		from, err := m.peek(m.r[3]+uint64(i), 1)
		if errors.Is(err, errNowhere) {
			clear(to)
			return nowhere(m.r[3]), nil
		}
		if err != nil {
			return 0, err
		}
		if to[i] = from[0]; to[i] == 0 {
			return uint64(i) + 1, nil
		}
	}
	to[len(to)-1] = 0
	return uint64(len(to)), nil
}

// kernelContext is the address of what the context stands for: struct sk_buff or
// struct xdp_buff.
func (m *run) kernelContext() (uint64, error) {
	if m.kernelCtx != 0 {
		return m.kernelCtx, nil
	}
	name, value := "sk_buff", m.skbValue
	if m.program.kind == XDP {
		name, value = "xdp_buff", m.xdpValue
	}
	address, err := m.structure(name, value)
	m.kernelCtx = address
	return address, err
}

// packetBase is where the memory begins that the packet is in.
func (m *run) packetBase() uint64 { return m.data >> regionBits << regionBits }

// skbValue is a field of struct sk_buff.
func (m *run) skbValue(field string) (any, error) {
	p := m.packet
	if at, ok := map[string]int{
		"mark": SKBMark, "priority": SKBPriority, "queue_mapping": skbQueue, "hash": skbHash, "skb_iif": skbIngress,
		"vlan_tci": skbTCI, "vlan_proto": skbVLANType, "tc_index": skbTCIndex, "protocol": skbProtocol,
	}[field]; ok {
		p.tell(at, 4)
		return uint64(p.get(at)), nil
	}
	network := m.data - m.packetBase()
	switch field {
	case "len":
		return uint64(len(p.Data)), nil
	case "data_len":
		return uint64(0), nil
	case "tstamp":
		return native.Uint64(p.Context[SKBTime:]), nil
	case "data":
		return m.data, nil
	case "head":
		return m.packetBase(), nil
	case "mac_header":
		if p.pulled == nil {
			return network, nil
		}
	case "network_header":
		return network + uint64(p.Network), nil
	case "transport_header":
		if p.Transport != 0 {
			return network + uint64(p.Transport), nil
		}
	case "dev":
		return m.device(p.get(skbIfindex))
	case "sk":
		return m.senderSock()
	}
	return nil, nil
}

// xdpValue is a field of struct xdp_buff.
func (m *run) xdpValue(field string) (any, error) {
	switch p := m.packet; field {
	case "data":
		return m.data, nil
	case "data_end":
		return m.data + uint64(len(p.Data)), nil
	case "data_meta":
		return m.data - uint64(p.meta), nil
	case "rxq":
		return m.structure("xdp_rxq_info", func(field string) (any, error) {
			switch field {
			case "dev":
				return m.device(p.get(skbIfindex))
			case "queue_index":
				return uint64(p.get(skbQueue)), nil
			}
			return nil, nil
		})
	}
	return nil, nil
}

// device is the address of a device's struct net_device, the same each time.
func (m *run) device(ifindex uint32) (any, error) {
	if address := m.devices[ifindex]; address != 0 {
		return address, nil
	}
	if m.packet.Outside == nil {
		return nil, nil
	}
	d, ok := m.packet.Outside.Device(ifindex)
	if !ok {
		return nil, nil
	}
	address, err := m.structure("net_device", func(field string) (any, error) {
		switch field {
		case "name":
			return []byte(d.Name), nil
		case "ifindex":
			return uint64(ifindex), nil
		case "mtu":
			return uint64(d.MTU), nil
		case "flags":
			return uint64(d.Flags), nil
		case "type":
			return uint64(d.Type), nil
		case "hard_header_len":
			return uint64(d.Header), nil
		case "needed_headroom":
			return uint64(d.Headroom), nil
		case "needed_tailroom":
			return uint64(d.Tailroom), nil
		}
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	if m.devices == nil {
		m.devices = make(map[uint32]uint64)
	}
	m.devices[ifindex] = address
	return address, nil
}
