// Package paralleltest tests intercept.NewT with Options.Parallel.
package paralleltest

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept"
	"github.com/nkconform/nkconform/mprog"
)

func TestMain(m *testing.M) { intercept.Main(m, intercept.Options{Skip: true, Parallel: true}) }

var pin = filepath.Join(mprog.BPFFS, "agent")

// upsert attaches a program by a link that is pinned.
func upsert(name string) error {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: name, Type: ebpf.SchedCLS, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, -1), asm.Return()},
	})
	if err != nil {
		return err
	}
	defer p.Close()
	d, err := netlink.LinkByName("nk0")
	if err != nil {
		return err
	}
	l, err := link.AttachNetkit(link.NetkitOptions{Interface: d.Attrs().Index, Program: p, Attach: ebpf.AttachNetkitPrimary})
	if err != nil {
		return err
	}
	defer l.Close()
	return l.Pin(pin)
}

// Tests at the same time, on devices, pins and ids of the same names and numbers,
// see nothing of one another.
func TestAtOnce(t *testing.T) {
	for i := range 8 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			k := intercept.NewT(t, fake.Allow(fake.LeakedPins), fake.Linux([]string{"6.12", "7.3"}[i%2]))
			nk0, _ := k.Netkit("nk0", "nk1")
			name := fmt.Sprintf("mine%d", i)
			k.Before(fake.Match{Op: mprog.OpObjPin, Nth: 1}, fake.Fail(mprog.ENOSPC))
			intercept.Do(t, k, func() {
				require.ErrorIs(t, upsert(name), unix.ENOSPC)
				require.NoError(t, upsert(name))
			})
			require.Equal(t, "revision 4 ["+name+"_2@l2]", k.Hook(nk0, mprog.NetkitPrimary).String())
		})
	}
}

// What runs elsewhere belongs to no kernel.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	k := intercept.NewT(t)
	k.Netkit("nk0", "nk1")
	require.ErrorIs(t, upsert("mine"), unix.EPERM)
	intercept.Do(t, k, func() {
		done := make(chan error)
		go func() { done <- upsert("mine") }()
		require.ErrorIs(t, <-done, unix.EPERM)
	})
}

// A namespace that is made from a kernel's is that kernel's, too.
func TestPod(t *testing.T) {
	t.Parallel()
	k := intercept.NewT(t, fake.Allow(fake.LeakedPins))
	k.Netkit("host0", "host1")
	intercept.Do(t, k, func() {
		require.NoError(t, unix.Unshare(unix.CLONE_NEWNET))
		h, err := netlink.NewHandle()
		require.NoError(t, err)
		defer h.Close()
		pair := &netlink.Netkit{LinkAttrs: netlink.LinkAttrs{Name: "nk0"}, Mode: netlink.NETKIT_MODE_L3}
		pair.SetPeerAttrs(&netlink.LinkAttrs{Name: "nk1"})
		require.NoError(t, h.LinkAdd(pair))
		d, err := h.LinkByName("nk0")
		require.NoError(t, err)
		p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
			Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, -1), asm.Return()},
		})
		require.NoError(t, err)
		defer p.Close()
		l, err := link.AttachNetkit(link.NetkitOptions{Interface: d.Attrs().Index, Program: p, Attach: ebpf.AttachNetkitPrimary})
		require.NoError(t, err)
		require.NoError(t, l.Close())
	})
}
