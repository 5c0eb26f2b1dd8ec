package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

const rcuExpedited = "/sys/kernel/rcu_expedited"

// ExpediteRCU shortens every grace period of the running kernel, and so each
// detach from tens of milliseconds to some ten microseconds, until restore is
// called. The whole machine pays with interrupts on all its CPUs, and goes on
// paying if the program is killed before.
//
// The kernel's setting is a number, nonzero for fast; programs that use it at
// the same time each add one and take one away. An error that wraps
// [ErrUnavailable] says why the setting cannot be written.
func ExpediteRCU() (restore func() error, err error) {
	if err := addToFile(rcuExpedited, 1); err != nil {
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EROFS) {
			err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return nil, fmt.Errorf("expedite RCU: %w", err)
	}
	return sync.OnceValue(func() error {
		if err := addToFile(rcuExpedited, -1); err != nil {
			return fmt.Errorf("restore RCU: %w", err)
		}
		return nil
	}), nil
}

// addToFile changes the number in a file of sysfs, one program after another.
func addToFile(path string, delta int) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close() // and with it the lock
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	var buf [32]byte
	n, err := f.ReadAt(buf[:], 0)
	if n == 0 {
		return err
	}
	value, err := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	_, err = f.WriteAt([]byte(strconv.Itoa(value+delta)), 0)
	return err
}
