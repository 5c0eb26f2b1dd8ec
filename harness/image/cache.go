package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// CacheDir returns the directory under which kernels and tools are kept, and
// makes it: nkconform in the user's cache directory, or in the directory for
// temporary files if the user has no home.
func CacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		base = filepath.Join(os.TempDir(), fmt.Sprintf("cache-%d", os.Getuid()))
		if err := ownDir(base); err != nil {
			return "", fmt.Errorf("make cache directory: %w", err)
		}
	}
	dir := filepath.Join(base, "nkconform")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make cache directory: %w: set XDG_CACHE_HOME to a directory that can be written to", err)
	}
	return dir, nil
}

// leftoverLife is longer than anything is being made: what is older was left by
// a process that was killed.
const leftoverLife = 24 * time.Hour

// removeOld removes what matches a pattern and has not changed for that long.
func removeOld(pattern string, life time.Duration) {
	found, _ := filepath.Glob(pattern)
	for _, path := range found {
		if fi, err := os.Lstat(path); err == nil && time.Since(fi.ModTime()) > life {
			os.RemoveAll(path)
		}
	}
}

// place makes the file or directory at dest with fill, which writes to a
// temporary path beside it, so that dest is either complete or absent.
func place(dest string, fill func(tmp string) error) error {
	if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
		return err
	}
	removeOld(filepath.Join(filepath.Dir(dest), ".new-*"), leftoverLife)
	dir, err := os.MkdirTemp(filepath.Dir(dest), ".new-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	tmp := filepath.Join(dir, filepath.Base(dest))
	if err := fill(tmp); err != nil {
		return err
	}
	if err := flush(tmp); err != nil {
		return err
	}
	err = os.Rename(tmp, dest)
	if errors.Is(err, os.ErrExist) {
		return nil // another process was faster
	}
	return err
}

// flush brings a file to the disk, so that no loss of power leaves an empty one
// under its name.
func flush(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return err
	}
	return f.Sync()
}

// writeFile is place for a file whose contents are at hand.
func writeFile(dest, text string) error {
	return place(dest, func(tmp string) error { return os.WriteFile(tmp, []byte(text), 0o644) })
}
