package priority

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/api/link"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

var priorities = map[string]int{"firewall": 10, "meter": 20, "shaper": 30, "mirror": 40}

func TestAttach(t *testing.T) {
	k := fake.NewT(t)
	device, _, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"})
	require.NoError(t, err)
	nk0 := int(device)
	attach := func(k *fake.Kernel, name string) link.Link {
		prog, err := link.NewProgram(k, mprog.ProgSpec{Name: name})
		require.NoError(t, err)
		t.Cleanup(func() { prog.Close() })
		l, err := Owner{k, priorities}.Attach(nk0, prog)
		require.NoError(t, err)
		t.Cleanup(func() { l.Close() })
		return l
	}
	// meanwhile has a rival act once, after an agent has looked and before it acts.
	meanwhile := func(act func(*fake.Kernel)) {
		k.Before(fake.Match{Op: mprog.OpLinkCreate, Nth: 1}, fake.Rival(act))
	}
	wantOrder := func(want ...int) {
		h, err := Owner{k, priorities}.query(nk0)
		require.NoError(t, err)
		require.Len(t, h.programs, len(want))
		for i, p := range h.programs {
			require.Equal(t, want[i], p.priority)
		}
	}
	attach(k, "mirror").Close() // a used hook, whose revision nobody can ask for
	meanwhile(func(k *fake.Kernel) { attach(k, "mirror") })
	attach(k, "firewall")
	wantOrder(10, 40)
	meanwhile(func(k *fake.Kernel) { attach(k, "shaper") }) // where we were about to attach
	meter := attach(k, "meter")
	wantOrder(10, 20, 30, 40)
	meanwhile(func(*fake.Kernel) { meter.Close() }) // what we were about to attach next to
	attach(k, "firewall")
	wantOrder(10, 10, 30, 40)
}
