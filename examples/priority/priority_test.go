package priority

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/api/link"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

var priorities = map[string]int{"firewall": 10, "meter": 20, "shaper": 30, "mirror": 40}

// interrupted is a kernel on which a rival acts right before the next link is made.
type interrupted struct {
	mprog.Kernel
	rival func()
}

func (k *interrupted) LinkCreate(r mprog.LinkCreateRequest) (uint32, error) {
	if act := k.rival; act != nil {
		k.rival = nil
		act()
	}
	return k.Kernel.LinkCreate(r)
}

func TestAttach(t *testing.T) {
	k := fake.New()
	device, _, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"})
	require.NoError(t, err)
	nk0, us := int(device), &interrupted{Kernel: k}
	attach := func(by mprog.Kernel, name string) link.Link {
		prog, err := link.NewProgram(k, mprog.ProgSpec{Name: name})
		require.NoError(t, err)
		l, err := Owner{by, priorities}.Attach(nk0, prog)
		require.NoError(t, err)
		return l
	}
	wantOrder := func(want ...int) {
		h, err := Owner{k, priorities}.query(nk0)
		require.NoError(t, err)
		require.Len(t, h.programs, len(want))
		for i, p := range h.programs {
			require.Equal(t, want[i], p.priority)
		}
	}
	attach(us, "mirror").Close()              // a used hook, whose revision nobody can ask for
	us.rival = func() { attach(k, "mirror") } // on the empty hook
	attach(us, "firewall")
	wantOrder(10, 40)
	us.rival = func() { attach(k, "shaper") } // where we were about to attach
	meter := attach(us, "meter")
	wantOrder(10, 20, 30, 40)
	us.rival = func() { meter.Close() } // what we were about to attach next to
	attach(us, "firewall")
	wantOrder(10, 10, 30, 40)
}
