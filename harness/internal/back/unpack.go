package back

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// Unpacker takes an archive that Pack has written, and puts each file in its
// place when it is whole.
type Unpacker struct {
	in   *io.PipeWriter
	done chan struct{}
	err  error // of the unpacking, once it is done
	fed  bool
}

// Unpack begins to unpack into files and folders, in the order in which Look got
// them. The archive comes from another system: nothing of it is written outside
// them.
func Unpack(paths []string) *Unpacker {
	r, w := io.Pipe()
	u := &Unpacker{in: w, done: make(chan struct{})}
	go func() {
		defer close(u.done)
		u.err = unpack(r, paths)
		r.CloseWithError(u.err)
	}()
	return u
}

// Write takes a part of the archive.
func (u *Unpacker) Write(b []byte) (int, error) {
	u.fed = true
	return u.in.Write(b)
}

// Close waits for all that has been written. It returns an error if that was
// not whole, or could not be put in its place.
func (u *Unpacker) Close() error {
	u.in.Close()
	<-u.done
	if !u.fed {
		return nil
	}
	return u.err
}

func unpack(r io.Reader, paths []string) error {
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, r) // the rest of the last block
			return err
		}
		if err != nil {
			return fmt.Errorf("bring back files: %w", err)
		}
		number, rel, _ := strings.Cut(h.Name, "/")
		i, err := strconv.Atoi(number)
		if err != nil || i < 0 || i >= len(paths) {
			return fmt.Errorf("bring back files: the guest sent %q, which nobody asked for", h.Name)
		}
		if err := place(t, h, paths[i], rel); err != nil {
			return fmt.Errorf("bring back %s: %w", filepath.Join(paths[i], filepath.FromSlash(rel)), err)
		}
	}
}

// place puts one entry where it belongs: at dest, or below it if that is a folder.
func place(r io.Reader, h *tar.Header, dest, rel string) error {
	if fi, err := os.Stat(dest); err != nil || !fi.IsDir() {
		if rel != "" {
			return errors.New("it is no folder here")
		}
		dest, rel = filepath.Dir(dest), filepath.Base(dest)
	}
	root, err := os.OpenRoot(dest)
	if err != nil {
		return err
	}
	defer root.Close()
	mode := fs.FileMode(h.Mode).Perm()
	switch h.Typeflag {
	case tar.TypeDir:
		err := root.MkdirAll(path.Join(".", rel), mode|0o700)
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	case tar.TypeSymlink:
		if err := root.Remove(rel); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return root.Symlink(h.Linkname, rel)
	case tar.TypeReg:
		return placeFile(r, root, rel, mode)
	}
	return fmt.Errorf("the guest sent a file of type %q", h.Typeflag)
}

// placeFile makes a file complete or not at all.
func placeFile(r io.Reader, root *os.Root, rel string, mode fs.FileMode) error {
	tmp := path.Join(path.Dir(rel), ".new-"+path.Base(rel))
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err = errors.Join(err, f.Close()); err == nil {
		err = root.Rename(tmp, rel)
	}
	if err != nil {
		_ = root.Remove(tmp)
	}
	return err
}
