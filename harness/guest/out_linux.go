package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// makeWritable lets the command write to what is to come back: it makes folders
// that are not there, and in a system that only reads the host's files it lays
// copies in memory over them.
func makeWritable(paths []string) error {
	for i, path := range paths {
		dir := path
		if fi, err := os.Stat(path); err != nil || !fi.IsDir() {
			dir = filepath.Dir(path)
		}
		err := os.MkdirAll(dir, 0o755)
		if err == nil || errors.Is(err, unix.EROFS) {
			err = unix.Access(dir, unix.W_OK)
		}
		if errors.Is(err, unix.EROFS) {
			err = cover(dir, fmt.Sprintf("/run/nkconform-out-%d", i))
		}
		if err != nil {
			return fmt.Errorf("make %s writable: %w", dir, err)
		}
	}
	return nil
}

// cover lays a copy of a folder over it, made in memory at another place.
func cover(dir, at string) error {
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", at, "tmpfs", 0, ""); err != nil {
		return err
	}
	if err := os.CopyFS(at, os.DirFS(dir)); err != nil {
		return err
	}
	return unix.Mount(at, dir, "", unix.MS_BIND, "")
}
