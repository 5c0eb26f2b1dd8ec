package link

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/nkconform/nkconform/mprog"
)

// Pin is as [Link] says. No path, and one outside of the bpf file system, are
// refused without a call; other errors carry an errno: EEXIST when the path is
// taken, ENOENT when its directory is missing.
func (l *RawLink) Pin(file string) error {
	switch {
	case file == "":
		return errors.New("given pinning path cannot be empty")
	case file == l.pinnedPath:
		return nil
	case !strings.HasPrefix(path.Dir(file)+"/", mprog.BPFFS+"/"):
		return fmt.Errorf("%s is not on a bpf filesystem", file)
	}
	if err := l.kernel.ObjPin(mprog.PinRequest{Path: file, FD: uint32(l.fd)}); err != nil {
		if l.pinnedPath != "" {
			return fmt.Errorf("unable to move pinned object to new path %v: %w", file, err)
		}
		return err
	}
	if err := l.Unpin(); err != nil {
		return fmt.Errorf("unable to move pinned object to new path %v: %w", file, err)
	}
	l.pinnedPath = file
	return nil
}

// Unpin is as [Link] says.
func (l *RawLink) Unpin() error {
	if l.pinnedPath == "" {
		return nil
	}
	if err := l.kernel.Unlink(l.pinnedPath); err != nil && !errors.Is(err, mprog.ENOENT) {
		return err
	}
	l.pinnedPath = ""
	return nil
}

// IsPinned reports whether the link has a path that it knows of.
func (l *RawLink) IsPinned() bool { return l.pinnedPath != "" }
