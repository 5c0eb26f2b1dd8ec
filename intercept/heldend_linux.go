//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/control"
	"github.com/nkconform/nkconform/mprog"
)

// Shutdown implements [fake.Remote].
func (k *held) Shutdown() error {
	if err := k.alive(); err != nil {
		return nil // a second time
	}
	k.news()
	var err error
	if k.stage == nil { // whose devices and pins end with it
		err = errors.Join(k.clearDevices(), k.clearPins())
	}
	_, endErr := k.h.conn.Ask(k.number, control.End)
	k.h.mu.Lock()
	delete(k.h.kernels, k.number)
	k.h.mu.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended = true
	for _, ns := range k.netns {
		if ns.fd >= 0 {
			err = errors.Join(err, unix.Close(ns.fd))
		}
	}
	if k.stage != nil {
		err = errors.Join(err, k.stage.end())
	}
	return errors.Join(err, endErr)
}

// clearDevices deletes what the test has left.
func (k *held) clearDevices() error {
	there, err := k.links.List()
	if err != nil {
		return fmt.Errorf("list devices: %w", err)
	}
	for _, ifindex := range there {
		if !k.devices[ifindex] {
			if err := k.links.Delete(ifindex); err != nil && !errors.Is(err, mprog.ENODEV) { // or with its peer
				return fmt.Errorf("delete device %d: %w", ifindex, err)
			}
		}
	}
	return nil
}

// clearPins empties the simulated bpf file system.
func (k *held) clearPins() error {
	entries, err := os.ReadDir(mprog.BPFFS)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove pins: %w", err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(mprog.BPFFS + "/" + e.Name()); err != nil {
			return fmt.Errorf("remove pins: %w", err)
		}
	}
	return nil
}

// awaitEnd waits until a child has ended, without taking its status from the one
// who waits for it.
func awaitEnd(pid int) {
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}
