package harness

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/harness/guest"
	"github.com/nkconform/nkconform/harness/internal/closure"
	"github.com/nkconform/nkconform/harness/internal/cpio"
	"github.com/nkconform/nkconform/harness/internal/wire"
)

var errNotGuest = errors.New("this program cannot be a guest: its main function does not call guest.Main")

// job turns a command into what the guest is told: Argv[0] and Dir absolute,
// the environment complete.
func job(c Command) (wire.Job, error) {
	if len(c.Argv) == 0 {
		return wire.Job{}, errors.New("no command to run")
	}
	prog, err := exec.LookPath(c.Argv[0])
	if err != nil {
		return wire.Job{}, err
	}
	if prog, err = filepath.Abs(prog); err != nil {
		return wire.Job{}, err
	}
	dir := "/"
	if c.Dir != "" {
		if dir, err = filepath.Abs(c.Dir); err != nil {
			return wire.Job{}, err
		}
	}
	env := append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "USER=root", "TERM=dumb"}, c.Env...)
	return wire.Job{Argv: append([]string{prog}, c.Argv[1:]...), Env: env, Dir: dir}, nil
}

// pack makes the command's initramfs in memory, so that nothing can stay
// behind on a disk. The file's offset is undefined; the caller closes it.
func pack(c Command) (_ *os.File, err error) {
	if !guest.Called() {
		return nil, errNotGuest
	}
	j, err := job(c)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("nkconform-initramfs", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create initramfs: %w", err)
	}
	out := os.NewFile(uintptr(fd), "initramfs")
	defer func() {
		if err != nil {
			out.Close()
		}
	}()
	p := packer{w: cpio.NewWriter(out), has: map[string]bool{"/": true}}
	if err := p.base(j); err != nil {
		return nil, err
	}
	for _, file := range append([]string{j.Argv[0]}, c.Files...) {
		if file, err = filepath.Abs(file); err != nil {
			return nil, err
		}
		if err := p.tree(file); err != nil {
			return nil, err
		}
	}
	if err := p.mkdirs(j.Dir); err != nil {
		return nil, err
	}
	if err := p.w.Close(); err != nil {
		return nil, err
	}
	return out, nil
}

// packer fills an initramfs with files of the host at their own paths.
type packer struct {
	w   *cpio.Writer
	has map[string]bool // paths packed already
}

// base packs what every guest needs: the init, the job and a root file system.
func (p *packer) base(j wire.Job) error {
	for _, d := range []string{"/dev", "/etc", "/proc", "/sys", "/root", "/run", "/var"} {
		if err := p.dir(d, 0o755); err != nil {
			return err
		}
	}
	for _, d := range []string{"/tmp", "/var/tmp"} {
		if err := p.dir(d, 0o1777); err != nil {
			return err
		}
	}
	text, err := json.Marshal(j)
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		guest.JobFile: string(text),
		"/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
		"/etc/group":  "root:x:0:\nnogroup:x:65534:\n",
		"/etc/hosts":  "127.0.0.1 localhost nkconform\n::1 localhost\n",
	} {
		p.has[name] = true
		if err := p.w.File([]string{name}, 0o644, int64(len(text)), strings.NewReader(text)); err != nil {
			return err
		}
	}
	// The init is this program; often the command is, too.
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if err := p.parents(self); err != nil {
		return err
	}
	return p.file(self, "/init")
}

// tree packs the file or directory at an absolute path.
func (p *packer) tree(path string) error {
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
	needs, err := closure.Needs(path)
	if err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	for _, n := range needs {
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
