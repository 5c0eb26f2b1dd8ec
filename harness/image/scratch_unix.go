//go:build unix

package image

import (
	"context"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// scratchPattern matches the directories of makeScratch.
const scratchPattern = ".build-*"

// makeScratch makes a directory for long work below a directory of the cache,
// and returns what removes it. It removes those that killed processes have
// left, which nobody holds a lock on.
func makeScratch(ctx context.Context, cache, parent string) (dir string, remove func(), err error) {
	unlock, err := lock(ctx, cache, "scratch")
	if err != nil {
		return "", nil, err
	}
	defer unlock()
	left, _ := filepath.Glob(filepath.Join(parent, scratchPattern))
	for _, dir := range left {
		if !held(dir) {
			os.RemoveAll(dir)
		}
	}
	if dir, err = os.MkdirTemp(parent, scratchPattern); err != nil {
		return "", nil, err
	}
	f, err := hold(dir)
	if err != nil {
		os.RemoveAll(dir)
		return "", nil, err
	}
	return dir, func() {
		os.RemoveAll(dir)
		f.Close()
	}, nil
}

// hold locks a directory until the file is closed, or this process ends.
func hold(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// held reports whether a process holds a directory.
func held(dir string) bool {
	f, err := hold(dir)
	if err != nil {
		return true
	}
	f.Close()
	return false
}
