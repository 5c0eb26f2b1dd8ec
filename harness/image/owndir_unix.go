//go:build unix

package image

import (
	"fmt"
	"os"
	"syscall"
)

// ownDir makes a directory that nobody else can write to: where everybody can
// make one, another may have been first, and what is cached is executed.
func ownDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	fi, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if s, ok := fi.Sys().(*syscall.Stat_t); !ok || !fi.IsDir() || int(s.Uid) != os.Getuid() || fi.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s is not this user's alone: set XDG_CACHE_HOME to another directory", dir)
	}
	return nil
}
