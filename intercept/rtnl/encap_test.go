package rtnl

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

// Requests with fds of programs that nobody here knows do not reach the running kernel,
// and that is told once.
func TestForeignProgramsStay(t *testing.T) {
	u16 := func(typ, v uint16) []byte { return appendU16(nil, typ, v) }
	ofBPF := u16(routeKind, encapBPF)
	segment := func(more []byte) []byte {
		return append(u16(routeKind, encapSegment), appendAttribute(nil, routeEncap, more)...)
	}
	hop := append([]byte{uint8(multipathSize + len(ofBPF)), 0, 0, 0, 1, 0, 0, 0}, ofBPF...)
	xdp := appendAttribute(nil, attrXDP, appendU32(nil, xdpFD, 3))
	const routes = "programs of BPF in routes and next hops are not simulated"
	const devices = "XDP programs of devices of a group, or of a namespace that an id names, are not simulated"
	for _, tc := range []struct {
		name   string
		typ    uint16
		header int
		attrs  []byte
		words  string // "": it is for the running kernel
	}{
		{"route", newRoute, routeSize, ofBPF, routes},
		{"one of several hops", newRoute, routeSize, appendAttribute(nil, routeSeveral, hop), routes},
		{"End.BPF", newRoute, routeSize, segment(appendAttribute(nil, segmentBPF, nil)), routes},
		{"next hop", newNexthop, nexthopSize, u16(nexthopKind, encapBPF), routes},
		{"another segment's action", newRoute, routeSize, segment(appendU32(nil, 1, 1)), ""},
		{"another encapsulation", newRoute, routeSize, u16(routeKind, 1), ""},
		{"next hop without", newNexthop, nexthopSize, nil, ""},
		{"XDP of a group", newLink, infoSize, append(appendU32(nil, attrGroup, 7), xdp...), devices},
		{"XDP elsewhere", setLink, infoSize, append(appendU32(nil, attrTargetNetnsID, 7), xdp...), devices},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFiltering(t)
			for range 2 {
				f.got = nil
				f.server.Request(f.Socket, appendMessage(nil, message{
					typ: tc.typ, flags: flagRequest | flagAck, seq: 3, body: append(make([]byte, tc.header), tc.attrs...),
				}))
			}
			if tc.words == "" {
				require.Equal(t, 2, f.forwarded)
				require.Empty(t, f.warnings)
				return
			}
			require.Zero(t, f.forwarded, "the running kernel has seen it")
			require.Equal(t, []string{tc.words}, f.warnings, "told once")
			require.Equal(t, mprog.EOPNOTSUPP, mprog.Errno(-int32(native.Uint32(f.got[0].body))))
			require.True(t, strings.Contains(string(f.got[0].body), "nkconform: "+tc.words))
		})
	}
}
