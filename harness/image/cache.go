package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// CacheDir returns the directory under which kernels and tools are kept, and
// makes it: nkconform in the user's cache directory, or in the directory for
// temporary files if the user has no home.
func CacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		base = filepath.Join(os.TempDir(), fmt.Sprintf("cache-%d", os.Getuid()))
	}
	dir := filepath.Join(base, "nkconform")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make cache directory: %w", err)
	}
	return dir, nil
}

// place makes the file or directory at dest with fill, which writes to a
// temporary path beside it, so that dest is either complete or absent.
func place(dest string, fill func(tmp string) error) error {
	if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(dest), ".new-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	tmp := filepath.Join(dir, filepath.Base(dest))
	if err := fill(tmp); err != nil {
		return err
	}
	err = os.Rename(tmp, dest)
	if errors.Is(err, os.ErrExist) {
		return nil // another process was faster
	}
	return err
}

// writeFile is place for a file whose contents are at hand.
func writeFile(dest, text string) error {
	return place(dest, func(tmp string) error { return os.WriteFile(tmp, []byte(text), 0o644) })
}
