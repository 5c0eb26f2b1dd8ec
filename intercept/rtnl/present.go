package rtnl

import (
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// What the running kernel says of a device that stands for a netkit device is
// shown as what a kernel says of a netkit device.

// goodSize is how long the kernel makes the parts of a list (NLMSG_GOODSIZE).
const goodSize = 4096

// Relay hands on what the running kernel has sent to a socket.
func (s *Server) Relay(k *Socket, datagram []byte) {
	for _, p := range s.show(k.Netns, datagram) {
		k.Send(p)
	}
}

// show returns what the program is shown of a datagram.
func (s *Server) show(netns uint64, datagram []byte) [][]byte {
	parts := split(datagram)
	kept, changed := parts[:0:0], false
	for _, part := range parts {
		shown, ours, ok := s.present(netns, part)
		if changed = changed || ours || !ok || len(shown.body) != len(part.body); ok {
			kept = append(kept, shown)
		}
	}
	if !changed {
		return [][]byte{datagram}
	}
	return join(kept)
}

// join puts messages into datagrams that a program can be expected to have room
// for.
func join(parts []message) (datagrams [][]byte) {
	var p []byte
	for _, m := range parts {
		next := appendMessage(nil, m)
		if len(p) > 0 && len(p)+len(next) > goodSize {
			datagrams, p = append(datagrams, p), nil
		}
		p = append(p, next...)
	}
	if len(p) > 0 {
		datagrams = append(datagrams, p)
	}
	return datagrams
}

// present returns a message of the running kernel's as the program is shown it, if it
// is, and whether it is about a netkit device.
func (s *Server) present(netns uint64, m message) (shown message, ours, ok bool) {
	shown, ours, ok = s.presentDevice(netns, m)
	if !ok || m.typ != newLink || len(m.body) < infoSize || m.body[0] != 0 {
		return shown, ours, ok
	}
	if attrs, _ := parseAttributes(m.body[infoSize:]); attrs[attrTargetNetnsID] != nil { // of another namespace
		d := s.anywhere(native.Uint32(m.body[4:]), attrs.text(attrName))
		if d == nil {
			return shown, ours, ok
		}
		netns = d.Netns
	}
	shown.body = s.withXDP(netns, shown.body)
	return shown, ours, ok
}

func (s *Server) presentDevice(netns uint64, m message) (shown message, ours, ok bool) {
	switch {
	case s.wires == nil:
		return m, false, true
	case s.hidden(netns, m):
		return m, false, false
	case m.typ == newQdisc || m.typ == delQdisc:
		if d := s.ByIndex(netns, native.Uint32(m.body[4:])); d != nil && d.wires != nil {
			m.body = undressQdisc(m.body)
			return m, true, true
		}
		return m, false, true
	case m.typ == newStats && len(m.body) >= statsSize:
		if d := s.ByIndex(netns, native.Uint32(m.body[4:])); d != nil && d.wires != nil {
			m.body = append(slices.Clone(m.body[:statsSize]), edited(m.body[statsSize:], func(typ uint16, value []byte) []byte {
				if typ == linkStats64 {
					return d.wires.Counts(d).into(value, true)
				}
				return value
			})...)
			return m, true, true
		}
		return m, false, true
	case m.typ != newLink && m.typ != delLink || len(m.body) < infoSize:
		return m, false, true
	}
	attrs, parsed := parseAttributes(m.body[infoSize:])
	if !parsed {
		return m, false, true
	}
	d := s.ByIndex(netns, native.Uint32(m.body[4:]))
	_, moved := attrs[attrNewIndex]
	if _, elsewhere := attrs[attrTargetNetnsID]; elsewhere {
		d = s.anywhere(native.Uint32(m.body[4:]), attrs.text(attrName))
	}
	switch {
	case d == nil || d.wires == nil:
		return m, false, true
	case m.body[0] == familyBridge && d.peer != nil: // its word on its port
		m.body = append(slices.Clone(m.body[:infoSize]), d.linked(m.body[infoSize:])...)
		return m, true, true
	case m.body[0] != 0:
		return m, false, true
	}
	peer := d.peer
	if m.typ == delLink && !moved {
		peer = nil
	}
	m.body = d.dress(m.body, peer)
	return m, true, true
}

// linked puts the peer where a bridge tells to what its port is linked (br_fill_ifinfo).
func (d *Device) linked(attrs []byte) (p []byte) {
	walkFlagged(attrs, func(flagged uint16, value []byte) {
		p = appendAttribute(p, flagged, value)
		if flagged == attrAddress {
			p = appendU32(p, attrLink, d.peer.Index)
		}
	})
	return p
}

// undressQdisc makes of the qdisc that a device with a queue has by default the one
// that others have, which counts nothing.
func undressQdisc(body []byte) []byte {
	attrs, _ := parseAttributes(body[tcSize:])
	if native.Uint32(body[8:]) != 0 || queueing(attrs[tcKind]) == string(attrs[tcKind]) {
		return body
	}
	p := slices.Clone(body[:tcSize])
	walk(body[tcSize:], func(typ uint16, value []byte) {
		switch typ {
		case tcOptions, tcExtraStats, tcStats2:
			return
		case tcStats:
			p = appendCounts(p, mprog.QdiscCounts{})
			return
		case tcKind:
			value = []byte(queueing(value))
		}
		p = appendAttribute(p, typ, value)
	})
	return p
}

const tcExtraStats = 4 // TCA_XSTATS

// anywhere finds a device of a namespace that is not told.
func (s *Server) anywhere(index uint32, name string) *Device {
	i := slices.IndexFunc(s.devices, func(d *Device) bool { return d.Index == index && d.Name == name })
	if i < 0 {
		return nil
	}
	return s.devices[i]
}

// dress makes what the running kernel says of the device that stands for d what it
// would say of d, which may have lost its peer.
func (d *Device) dress(body []byte, peer *Device) []byte {
	header := body[:infoSize]
	flags := native.Uint32(header[8:])
	p := slices.Clone(header)
	if flags&flagLowerUp != 0 { // which the kernel sees a little later
		native.PutUint32(p[8:], flags|flagRunning)
	}
	walkFlagged(body[infoSize:], func(flagged uint16, value []byte) {
		switch typ := flagged & typeMask; typ {
		case attrAddress:
			if d.Layer3() {
				value = make([]byte, len(d.address))
			}
		case attrPermAddress, attrLink, attrLinkNetnsID:
			return
		case attrOperState:
			value = []byte{d.seenState(flags)}
		case attrCarrier:
			value = []byte{uint8(flags / flagLowerUp & 1)}
		case attrMaxMTU:
			value = native.AppendUint32(nil, maxMTU)
		case attrTxQueues, attrRxQueues:
			value = native.AppendUint32(nil, d.queues[typ-attrTxQueues])
		case attrTSOSize:
			value = native.AppendUint32(nil, mostSize)
		case attrGSOSize, attrGSOSize4:
			if size, kept := d.great[typ]; kept {
				value = native.AppendUint32(nil, size)
			}
		case attrHeadroom, attrTailroom:
			if !d.release.Room {
				return
			}
			room := d.headroom
			if typ == attrTailroom {
				room = d.tailroom
			}
			value = native.AppendUint16(nil, room)
		case attrQdisc:
			value = []byte(queueing(value))
		case attrStats, attrStats64:
			value = d.wires.Counts(d).into(value, typ == attrStats64)
		case attrLinkInfo:
			p = appendAttribute(p, typ, append(d.linkInfo(peer), ofPort(value)...))
			p = d.appendPeer(p, peer)
			return
		}
		p = appendAttribute(p, flagged, value)
	})
	return p
}

// seenState is the operational state of a device with these flags
// (default_operstate).
func (d *Device) seenState(flags uint32) uint8 {
	switch {
	case flags&FlagUp == 0:
		return stateDown
	case flags&flagLowerUp != 0:
		return stateUp
	case d.peer == nil || d.peer.Netns != d.Netns: // no device to look at, here
		return stateDown
	}
	return stateLowerDown
}

// defaultQueues are what a device with a queue has by default; netkit devices have
// none.
var defaultQueues = []string{"pfifo_fast\x00", "fq_codel\x00", "fq\x00", "sfq\x00", "fq_pie\x00", "cake\x00"}

func queueing(value []byte) string {
	if slices.Contains(defaultQueues, string(value)) {
		return "noqueue\x00"
	}
	return string(value)
}

// What RTM_GETSTATS is answered (struct if_stats_msg).
const (
	newStats     = 92
	statsSize    = 12
	linkStats64  = 1 // IFLA_STATS_LINK_64
	familyBridge = 7 // AF_BRIDGE
)

// Where struct rtnl_link_stats and struct rtnl_link_stats64 have their fields.
const (
	rxPackets = 0
	txPackets = 1
	rxBytes   = 2
	txBytes   = 3
	txDropped = 7
)

// into puts counts in the place of those of the device that stands for the one that
// counted. What that one dropped itself found no room in its queue.
func (c Counts) into(stats []byte, wide bool) []byte {
	stats = slices.Clone(stats)
	for field, count := range map[int]uint64{
		rxPackets: c.RxPackets, txPackets: c.TxPackets, rxBytes: c.RxBytes, txBytes: c.TxBytes, txDropped: c.TxDropped,
	} {
		switch drops := field == txDropped; {
		case wide && len(stats) >= 8*(field+1):
			p := stats[8*field:]
			if drops {
				count += native.Uint64(p)
			}
			native.PutUint64(p, count)
		case !wide && len(stats) >= 4*(field+1):
			p := stats[4*field:]
			if drops {
				count += uint64(native.Uint32(p))
			}
			native.PutUint32(p, uint32(count))
		}
	}
	return stats
}
