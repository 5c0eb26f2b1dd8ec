package guest

import (
	"os"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestDoing(t *testing.T) {
	assert.Empty(t, doing(0), "there is no such process")
	elsewhere(func() {
		name := []byte("a) name\x00")
		require.NoError(t, unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0))
		assert.Contains(t, doing(os.Getpid()), "a) name (R)")
	})
}

// elsewhere calls f on a thread that ends with it and is not the process's first.
func elsewhere(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			elsewhere(f)
			runtime.UnlockOSThread()
			return
		}
		f()
	}()
	<-done
}
