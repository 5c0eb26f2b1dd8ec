package kernel

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// capabilities of the current thread, as capget(2) has them: two words of 32.
type capabilities [2]unix.CapUserData

var capHeader = unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}

func currentCapabilities() (capabilities, error) {
	var c capabilities
	header := capHeader
	if err := unix.Capget(&header, &c[0]); err != nil {
		return c, fmt.Errorf("read capabilities: %w", err)
	}
	return c, nil
}

func (c *capabilities) effective(number int) bool {
	return c[number/32].Effective&(1<<(number%32)) != 0
}

// dropCapabilities takes capabilities from the current thread, until they are raised
// again: the kernel asks for effective ones only.
func dropCapabilities(numbers ...mprog.Capability) error {
	if len(numbers) == 0 {
		return nil
	}
	c, err := currentCapabilities()
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if int(n) >= 32*len(c) {
			return fmt.Errorf("drop capability %d: no such capability", n)
		}
		c[n/32].Effective &^= 1 << (n % 32)
	}
	return c.set()
}

// raiseCapabilities gives the current thread all capabilities back.
func raiseCapabilities() error {
	c, err := currentCapabilities()
	if err != nil {
		return err
	}
	for i := range c {
		c[i].Effective = c[i].Permitted
	}
	return c.set()
}

func (c *capabilities) set() error {
	header := capHeader
	if err := unix.Capset(&header, &c[0]); err != nil {
		return fmt.Errorf("set capabilities: %w", err)
	}
	return nil
}
