package kernel

import (
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

func TestUnavailable(t *testing.T) {
	newKernel(t)
	for _, test := range []struct {
		name string
		drop []mprog.Capability
		want string
	}{
		{"no capabilities", []mprog.Capability{mprog.CapNetAdmin, mprog.CapSysAdmin}, "CAP_NET_ADMIN and CAP_SYS_ADMIN"},
		{"no CAP_SYS_ADMIN", []mprog.Capability{mprog.CapSysAdmin}, "missing CAP_SYS_ADMIN"},
	} {
		t.Run(test.name, func(t *testing.T) {
			thread, err := startThread(func() error { return dropCapabilities(test.drop...) })
			require.NoError(t, err)
			defer thread.stop()
			thread.do(func() { _, err = New() })
			require.ErrorIs(t, err, ErrUnavailable)
			assert.ErrorContains(t, err, test.want)
		})
	}
}

func TestUnavailableReasons(t *testing.T) {
	for _, test := range []struct {
		errno       unix.Errno
		unavailable bool
	}{
		{unix.EPERM, true},
		{unix.ENOSYS, true},
		{unix.ENOMEM, false},
	} {
		err := unavailable("bpf(2)", test.errno)
		assert.ErrorContains(t, err, "bpf(2)")
		assert.ErrorIs(t, err, test.errno)
		if test.unavailable {
			assert.ErrorIs(t, err, ErrUnavailable)
		} else {
			assert.NotErrorIs(t, err, ErrUnavailable)
		}
	}
}

func TestSupports(t *testing.T) {
	k := newKernel(t)
	for _, feature := range mprog.Features {
		if err := k.Supports(feature); err != nil {
			assert.ErrorIs(t, err, mprog.ErrUnsupported)
			t.Logf("%v", err)
		}
		assert.Equal(t, k.Supports(feature), k.Supports(feature), "must be probed once")
	}
	assert.ErrorIs(t, k.Supports("time travel"), mprog.ErrUnsupported)
}

func TestAfterShutdown(t *testing.T) {
	k, err := New()
	if err != nil {
		skipOrFail(t, err, ErrUnavailable)
	}
	require.NoError(t, k.Shutdown())
	require.NoError(t, k.Shutdown(), "again")
	assert.ErrorIs(t, k.Close(0), errExited)
}

// Two environments use the same names and see nothing of each other.
func TestIsolation(t *testing.T) {
	one, two := newKernel(t), newKernel(t)
	device := mprog.DeviceSpec{Kind: mprog.AnyDevice, Name: "d0"}
	a, _, err := one.AddDevice(device)
	if err != nil {
		skipOrFail(t, err, mprog.ErrUnsupported)
	}
	assert.ErrorIs(t, two.DeleteDevice(a), mprog.ENODEV)
	b, _, err := two.AddDevice(device)
	require.NoError(t, err)
	assert.Equal(t, a, b, "ifindexes must depend on the calls alone")

	fd := loadProg(t, one, "a")
	_, err = two.ObjectInfo(fd)
	assert.ErrorIs(t, err, mprog.EBADFD)
}

// Many goroutines use many environments, and each environment.
func TestConcurrentUse(t *testing.T) {
	var wait sync.WaitGroup
	for range 4 {
		k := newKernel(t, mprog.FeatureTCX)
		for range 4 {
			wait.Go(func() {
				for range 200 {
					fd, err := k.LoadProg(mprog.ProgSpec{Name: "a"})
					if !assert.NoError(t, err) {
						return
					}
					_, err = k.ProgQuery(mprog.QueryRequest{TargetIfindex: loopback, AttachType: mprog.TCXIngress})
					assert.NoError(t, err)
					assert.NoError(t, k.Close(fd))
				}
			})
		}
	}
	wait.Wait()
}

// The program's own files are out of an environment's reach.
func TestNoForeignDescriptors(t *testing.T) {
	k := newKernel(t)
	f, err := os.Open("/dev/null")
	require.NoError(t, err)
	defer f.Close()
	assert.ErrorIs(t, k.Close(uint32(f.Fd())), mprog.EBADF)
	for _, fd := range k.fds.inherited {
		assert.ErrorIs(t, k.Close(uint32(fd)), mprog.EBADF, "the runtime's fd %d", fd)
	}
	_, err = f.Stat()
	assert.NoError(t, err)
}

func TestDescriptorsDoNotRepeat(t *testing.T) {
	expediteRCU(t)
	k := newKernel(t)
	seen := map[uint32]bool{}
	for range 100 {
		fd := loadProg(t, k, "a")
		require.False(t, seen[fd], "fd %d again", fd)
		seen[fd] = true
		require.NoError(t, k.Close(fd))
		require.ErrorIs(t, k.Close(fd), mprog.EBADF)
	}
}

// When the numbers have run out, those closed the longest ago come again.
func TestDescriptorsWrap(t *testing.T) {
	k := newKernel(t)
	kept := loadProg(t, k, "a")
	require.NoError(t, k.do(func() { k.fds.limit = int(kept) + 2 }))
	last := loadProg(t, k, "b")
	require.NoError(t, k.Close(last))
	assert.Equal(t, last, loadProg(t, k, "c"))
}

func TestExpediteRCU(t *testing.T) {
	read := func() string {
		b, err := os.ReadFile(rcuExpedited)
		require.NoError(t, err)
		return string(b)
	}
	restore, err := ExpediteRCU()
	if err != nil {
		skipOrFail(t, err, ErrUnavailable)
	}
	one := read()
	again, err := ExpediteRCU()
	require.NoError(t, err)
	two := read()
	require.NoError(t, restore())
	assert.NotEqual(t, one, two)
	assert.NotEqual(t, "0\n", read())
	require.NoError(t, again())
	require.NoError(t, again(), "twice must count once")
}
