package kernel

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

// newKernel starts an environment that ends with the test, or skips the test.
func newKernel(tb testing.TB, needs ...mprog.Feature) *Kernel {
	tb.Helper()
	k, err := New()
	if err != nil {
		skipOrFail(tb, err, ErrUnavailable)
	}
	tb.Cleanup(func() { require.NoError(tb, k.Shutdown()) })
	for _, f := range needs {
		if err := k.Supports(f); err != nil {
			skipOrFail(tb, err, mprog.ErrUnsupported)
		}
	}
	return k
}

// needBPFFS skips the test where no environment can have a bpf file system of its own:
// without /sys, or within chroot.
func needBPFFS(tb testing.TB) {
	tb.Helper()
	k := newKernel(tb)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.needBPFFS(); err != nil {
		skipOrFail(tb, err, mprog.ErrUnsupported)
	}
}

// expediteRCU makes detaches fast while the test runs, where that is allowed.
func expediteRCU(tb testing.TB) {
	tb.Helper()
	restore, err := ExpediteRCU()
	if err != nil {
		tb.Logf("detaches will be slow: %v", err)
		return
	}
	tb.Cleanup(func() { require.NoError(tb, restore()) })
}

func skipOrFail(tb testing.TB, err, skippable error) {
	tb.Helper()
	require.ErrorIs(tb, err, skippable)
	tb.Skip(err)
}

func loadProg(tb testing.TB, k *Kernel, name string) uint32 {
	tb.Helper()
	fd, err := k.LoadProg(mprog.ProgSpec{Name: name})
	require.NoError(tb, err)
	return fd
}
