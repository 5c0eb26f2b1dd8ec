package cni

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// Hook is where the program goes: a pinned link, and the device.
type Hook interface {
	// Update makes the program that of the pinned link. It is fs.ErrNotExist
	// without a pin, ENOLINK when the link's device is gone.
	Update() error
	Unpin() error
	// Create makes a link and pins it.
	Create() error
}

// Upsert attaches the program, or replaces the one that is attached. A link whose
// device is gone is replaced by one of the device that has its name now.
func Upsert(h Hook) error {
	err := h.Update()
	if errors.Is(err, syscall.ENOLINK) {
		if err := h.Unpin(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("unpin the link of a device that is gone: %w", err)
		}
		err = fs.ErrNotExist
	}
	if !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return fmt.Errorf("update the link: %w", err)
		}
		return nil
	}
	if err := h.Create(); err != nil {
		return fmt.Errorf("make a link: %w", err)
	}
	return nil
}
