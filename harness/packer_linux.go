package harness

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/harness/internal/closure"
	"github.com/nkconform/nkconform/harness/internal/cpio"
)

// packer fills an initramfs with files of the host at their own paths.
type packer struct {
	w   *cpio.Writer
	has map[string]bool // paths packed already
	// lack is what this machine does not have, and the files that need it. They
	// are packed without it: a folder may hold what is for other machines.
	lack map[string][]string
}

func newPacker(out io.Writer) *packer {
	return &packer{w: cpio.NewWriter(out), has: map[string]bool{"/": true}, lack: map[string][]string{}}
}

// tree packs the file or directory at an absolute path; of a symbolic link what
// it leads to, too.
func (p *packer) tree(path string) error {
	if fi, err := os.Lstat(path); err == nil && fi.Mode().Type() == fs.ModeSymlink {
		if err := p.add(path); err != nil {
			return err
		}
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return nil // it dangles
		}
	}
	return filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("pack: %w", err)
		}
		return p.add(name)
	})
}

// mkdirs makes a directory in the guest whether or not the host has it.
func (p *packer) mkdirs(path string) error {
	if p.has[path] {
		return nil
	}
	if err := p.mkdirs(filepath.Dir(path)); err != nil {
		return err
	}
	if fi, err := os.Lstat(path); err == nil && !fi.IsDir() {
		return p.add(path)
	}
	return p.dir(path, 0o755)
}

// parents packs the directories above path, following symbolic links among
// them as the kernel would: /lib may be a link to /usr/lib.
func (p *packer) parents(path string) error {
	dir := filepath.Dir(path)
	if p.has[dir] {
		return nil
	}
	return p.add(dir)
}

// add packs one file, with the directories above it, what a symbolic link
// leads to and what a program needs. A directory is packed without its
// contents.
func (p *packer) add(path string) error {
	if p.has[path] {
		return nil
	}
	if err := p.parents(path); err != nil {
		return err
	}
	if p.has[path] {
		return nil
	}
	fi, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	switch fi.Mode().Type() {
	case fs.ModeDir:
		return p.dir(path, unixPerm(fi))
	case fs.ModeSymlink:
		return p.symlink(path)
	case 0:
		return p.file(path)
	}
	// Sockets, pipes and devices belong to the host alone.
	return nil
}

func (p *packer) dir(path string, perm uint32) error {
	p.has[path] = true
	return p.w.Dir(path, perm)
}

func (p *packer) symlink(path string) error {
	p.has[path] = true
	target, err := os.Readlink(path)
	if err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	if err := p.w.Symlink(path, target); err != nil {
		return err
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(path), target)
	}
	if err := p.add(target); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil // it dangles on the host, too
}

// file packs a regular file, under further names too if given, and what it
// needs to run.
func (p *packer) file(path string, also ...string) error {
	p.has[path] = true
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	if err := p.w.File(append([]string{path}, also...), unixPerm(fi), fi.Size(), f); err != nil {
		return err
	}
	needs, err := closure.Of(path)
	if err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	if needs.Missing != "" {
		p.lack[needs.Missing] = append(p.lack[needs.Missing], path)
	}
	for _, n := range needs.Files {
		if err := p.add(n); err != nil {
			return err
		}
	}
	return nil
}

// unixPerm returns the permission bits as chmod(2) takes them.
func unixPerm(fi fs.FileInfo) uint32 {
	perm := uint32(fi.Mode().Perm())
	for bit, unix := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if fi.Mode()&bit != 0 {
			perm |= unix
		}
	}
	return perm
}

// missing names what a packed program needs and this machine does not have.
func (p *packer) missing(prog string) string {
	if real, err := filepath.EvalSymlinks(prog); err == nil {
		prog = real
	}
	for missing, files := range p.lack {
		for _, file := range files {
			if real, err := filepath.EvalSymlinks(file); err == nil && real == prog {
				return missing
			}
		}
	}
	return ""
}

// maxNamed is how many files a note names.
const maxNamed = 5

// notes tells which of the packed files will not run.
func (p *packer) notes() []string {
	var notes []string
	for missing, files := range p.lack {
		more := ""
		if n := len(files) - maxNamed; n > 0 {
			files, more = files[:maxNamed], fmt.Sprintf(" and %d more", n)
		}
		notes = append(notes, fmt.Sprintf("%s is not on this machine, so these will not run in the guest: %s%s",
			missing, strings.Join(files, ", "), more))
	}
	slices.Sort(notes)
	return notes
}
