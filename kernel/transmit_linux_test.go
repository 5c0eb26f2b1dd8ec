package kernel

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

// The verdicts that have a meaning for tcx and netkit, and one that has none.
const (
	next     = -1
	pass     = 0
	drop     = 2
	redirect = 7
	unknown  = 5
)

// returning loads a program for each verdict and attaches it, and returns
// their ids.
func returning(t *testing.T, k *Kernel, ifindex uint32, at mprog.AttachType, verdicts []int32) (ids []uint32) {
	t.Helper()
	for _, v := range verdicts {
		fd, err := k.LoadProg(mprog.ProgSpec{Name: "p", Return: v})
		require.NoError(t, err)
		err = k.ProgAttach(mprog.AttachRequest{TargetIfindex: ifindex, AttachType: at, AttachFD: fd})
		require.NoError(t, err)
		ids = append(ids, progInfo(t, k.Process, fd).ID)
	}
	return ids
}

// pick returns the first ids of each hook.
func pick(n [2]int, one, two []uint32) []uint32 {
	return append(slices.Clone(one[:n[0]]), two[:n[1]]...)
}

func TestTransmitLoopback(t *testing.T) {
	for _, test := range []struct {
		name            string
		egress, ingress []int32
		ran             [2]int // programs on egress and ingress
		delivered       bool
	}{
		{"no programs", nil, nil, [2]int{}, true},
		{"all next", []int32{next, next}, []int32{next}, [2]int{2, 1}, true},
		{"pass stops each hook", []int32{next, pass, drop}, []int32{next, pass, drop}, [2]int{2, 2}, true},
		{"egress drops", []int32{next, drop, next}, []int32{next}, [2]int{2, 0}, false},
		{"ingress drops", []int32{next}, []int32{drop, next}, [2]int{1, 1}, false},
		{"egress redirects nowhere", []int32{redirect, next}, []int32{next}, [2]int{1, 0}, false},
		{"ingress redirects nowhere", nil, []int32{redirect, next}, [2]int{0, 1}, false},
		{"unknown stops and passes", []int32{unknown, drop}, []int32{unknown, drop}, [2]int{1, 1}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			expediteRCU(t)
			k := newKernel(t, mprog.FeatureTCX)
			out := returning(t, k, loopback, mprog.TCXEgress, test.egress)
			in := returning(t, k, loopback, mprog.TCXIngress, test.ingress)
			for range 2 {
				d, err := k.Transmit(loopback)
				require.NoError(t, err)
				assert.Equal(t, mprog.Delivery{Delivered: test.delivered, Ran: pick(test.ran, out, in)}, d)
			}
		})
	}
}

func TestTransmitNetkit(t *testing.T) {
	for _, test := range []struct {
		name          string
		policy        mprog.NetkitPolicy
		primary, peer []int32
		ran           int
		delivered     bool
	}{
		{"no programs", mprog.Forward, nil, nil, 0, true},
		{"no programs on a blackhole", mprog.Blackhole, nil, nil, 0, false},
		{"all next", mprog.Forward, []int32{next, next}, nil, 2, true},
		{"all next on a blackhole", mprog.Blackhole, []int32{next, next}, nil, 2, true},
		{"pass stops", mprog.Blackhole, []int32{next, pass, drop}, nil, 2, true},
		{"drop stops", mprog.Forward, []int32{next, drop, next}, nil, 2, false},
		{"redirect nowhere stops", mprog.Forward, []int32{redirect, next}, nil, 1, false},
		{"unknown stops and drops", mprog.Forward, []int32{unknown, next}, nil, 1, false},
		{"the peer's hook is for the other way", mprog.Forward, []int32{pass}, []int32{drop}, 1, true},
		{"the peer's hook on a blackhole", mprog.Blackhole, nil, []int32{pass}, 0, false},
	} {
		for _, mode := range []mprog.NetkitMode{mprog.L2, mprog.L3} {
			t.Run(test.name, func(t *testing.T) {
				expediteRCU(t)
				k := newKernel(t, mprog.FeatureNetkit)
				nk, peer, err := k.AddDevice(mprog.DeviceSpec{
					Kind: mprog.Netkit, Name: "nk0", Peer: "nk1", Mode: mode, Policy: test.policy,
				})
				require.NoError(t, err)
				primary := returning(t, k, nk, mprog.NetkitPrimary, test.primary)
				theirs := returning(t, k, nk, mprog.NetkitPeer, test.peer)
				for range 2 {
					d, err := k.Transmit(nk)
					require.NoError(t, err)
					assert.Equal(t, mprog.Delivery{
						Delivered: test.delivered, Ran: pick([2]int{test.ran, 0}, primary, nil),
					}, d)
				}
				d, err := k.Transmit(peer)
				require.NoError(t, err)
				assert.Equal(t, mprog.Delivery{
					Delivered: !slices.Contains(test.peer, drop), Ran: pick([2]int{len(theirs), 0}, theirs, nil),
				}, d)
			})
		}
	}
}

func BenchmarkLoadProg(b *testing.B) {
	k := newKernel(b)
	for _, progType := range []mprog.ProgType{mprog.SchedCLS, mprog.SocketFilter} {
		b.Run(map[mprog.ProgType]string{mprog.SchedCLS: "cls", mprog.SocketFilter: "filter"}[progType], func(b *testing.B) {
			for b.Loop() {
				fd, err := k.LoadProg(mprog.ProgSpec{Name: "a", Type: progType})
				if err != nil {
					b.Fatal(err)
				}
				_ = k.Close(fd)
			}
		})
	}
}
