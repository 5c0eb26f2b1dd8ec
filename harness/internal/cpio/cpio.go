// Package cpio writes archives in the "newc" format, the one a kernel unpacks
// as its initramfs.
package cpio

import (
	"fmt"
	"io"
	"strings"
)

// File types of an entry's mode, as in stat(2).
const (
	typeDir     = 0o040000
	typeFile    = 0o100000
	typeSymlink = 0o120000
)

// Writer writes one archive. Names are slash-separated; a leading slash is
// dropped. The caller writes a directory before what is in it.
type Writer struct {
	w   io.Writer
	off int64
	ino uint32
}

// NewWriter returns a writer of a new archive to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Dir adds a directory. perm holds permission and sticky bits as in chmod(2).
func (w *Writer) Dir(name string, perm uint32) error {
	w.ino++
	return w.entry(name, typeDir|perm, 2, 0, nil)
}

// Symlink adds a symbolic link to target.
func (w *Writer) Symlink(name, target string) error {
	w.ino++
	return w.entry(name, typeSymlink|0o777, 1, int64(len(target)), strings.NewReader(target))
}

// File adds a regular file of exactly size bytes read from r. More than one
// name makes hard links to the same file.
func (w *Writer) File(names []string, perm uint32, size int64, r io.Reader) error {
	w.ino++
	for i, name := range names {
		n, body := int64(0), io.Reader(nil)
		if i == 0 {
			n, body = size, r
		}
		if err := w.entry(name, typeFile|perm, len(names), n, body); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the archive. It does not close the underlying writer.
func (w *Writer) Close() error {
	w.ino = 0
	return w.entry("TRAILER!!!", 0, 1, 0, nil)
}

func (w *Writer) entry(name string, mode uint32, nlink int, size int64, body io.Reader) error {
	name = strings.TrimPrefix(name, "/")
	if size > 1<<32-1 {
		return fmt.Errorf("pack %s: %d bytes do not fit the archive format", name, size)
	}
	// Fields: magic, inode, mode, uid, gid, nlink, mtime, size, four device
	// numbers, length of the name with its NUL, checksum.
	head := fmt.Sprintf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
		w.ino, mode, 0, 0, nlink, 0, size, 0, 0, 0, 0, len(name)+1, 0, name)
	if err := w.padded(strings.NewReader(head), int64(len(head))); err != nil {
		return fmt.Errorf("pack %s: %w", name, err)
	}
	if body == nil {
		return nil
	}
	if err := w.padded(body, size); err != nil {
		return fmt.Errorf("pack %s: %w", name, err)
	}
	return nil
}

// padded copies n bytes and pads them to a multiple of four.
func (w *Writer) padded(r io.Reader, n int64) error {
	c, err := io.CopyN(w.w, r, n)
	w.off += c
	if err != nil {
		return err
	}
	pad := -w.off & 3
	w.off += pad
	_, err = w.w.Write(make([]byte, pad))
	return err
}
