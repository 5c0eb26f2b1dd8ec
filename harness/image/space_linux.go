package image

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// checkSpace returns an error if the disk that holds dir has less free space
// than need, in bytes.
func checkSpace(dir string, need int64) error {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return fmt.Errorf("measure free space in %s: %w", dir, err)
	}
	if free := int64(s.Bavail) * s.Bsize; free < need {
		return fmt.Errorf("%w: %d MB are free for %s, %d MB are needed", unix.ENOSPC, free>>20, dir, need>>20)
	}
	return nil
}
