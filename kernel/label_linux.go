package kernel

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Label names the environment's thread, and those of processes to come, for what tells
// of threads by their names: the kernel's complaints, ps(1). It takes the first 15
// bytes. Renewed, an environment keeps it.
func (k *Kernel) Label(name string) error {
	p := k.Process
	p.mu.Lock()
	defer p.mu.Unlock()
	k.label = name
	var errSet error
	if err := p.do(func() { errSet = nameThread(name) }); err != nil {
		return err
	}
	return errSet
}

// nameThread names the current thread, unless the name is empty.
func nameThread(name string) error {
	if name == "" {
		return nil
	}
	b, err := unix.ByteSliceFromString(name)
	if err != nil {
		return err
	}
	err = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&b[0])), 0, 0, 0)
	runtime.KeepAlive(b)
	return err
}
