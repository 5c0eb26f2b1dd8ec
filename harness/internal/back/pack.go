// Package back brings back what a guest's command leaves in files and folders:
// the guest looks at them before and after and packs what is new, the harness
// unpacks that. It travels as a tar archive in which the name of an entry begins
// with the number of the file or folder among those that are to come back.
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
	"time"
)

// stamp tells a file from what it was before.
type stamp struct {
	mode fs.FileMode
	size int64
	time time.Time
}

// Before is what is in files and folders when the command begins.
type Before struct {
	paths []string
	files map[string]stamp
}

// Look looks at files and folders, which need not exist.
func Look(paths []string) *Before {
	b := &Before{paths, map[string]stamp{}}
	for _, path := range paths {
		_ = b.walk(path, func(name string, fi fs.FileInfo) error {
			b.files[name] = stampOf(fi)
			return nil
		})
	}
	return b
}

func stampOf(fi fs.FileInfo) stamp {
	s := stamp{fi.Mode(), fi.Size(), fi.ModTime()}
	if fi.IsDir() {
		s.size, s.time = 0, time.Time{} // what is in it tells more
	}
	return s
}

// walk visits what is at a path and below, if there is anything.
func (*Before) walk(root string, visit func(name string, fi fs.FileInfo) error) error {
	return filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && name == root {
			return nil
		}
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		return visit(name, fi)
	})
}

// Pack writes an archive of what is new or has changed since, and nothing if
// nothing was asked for. Sockets, pipes and devices do not travel.
func (b *Before) Pack(w io.Writer) error {
	if len(b.paths) == 0 {
		return nil
	}
	t := tar.NewWriter(w)
	for i, root := range b.paths {
		err := b.walk(root, func(name string, fi fs.FileInfo) error {
			if old, ok := b.files[name]; ok && old == stampOf(fi) {
				return nil
			}
			rel, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			return add(t, name, path.Join(strconv.Itoa(i), filepath.ToSlash(rel)), fi)
		})
		if err != nil {
			return fmt.Errorf("bring back %s: %w", root, err)
		}
	}
	if err := t.Close(); err != nil {
		return fmt.Errorf("bring back files: %w", err)
	}
	return nil
}

// add packs a file under another name.
func add(t *tar.Writer, file, name string, fi fs.FileInfo) error {
	h := &tar.Header{Name: name, Mode: int64(fi.Mode().Perm()), Size: fi.Size(), ModTime: fi.ModTime()}
	var err error
	switch fi.Mode().Type() {
	case fs.ModeDir:
		h.Typeflag, h.Size = tar.TypeDir, 0
		return t.WriteHeader(h)
	case fs.ModeSymlink:
		h.Typeflag, h.Size = tar.TypeSymlink, 0
		if h.Linkname, err = os.Readlink(file); err != nil {
			return err
		}
		return t.WriteHeader(h)
	case 0:
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		_, err = io.CopyN(t, f, h.Size) // a process left behind may still write to it
		return err
	}
	return nil
}
