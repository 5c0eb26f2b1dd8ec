package harness

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"

	"github.com/nkconform/nkconform/harness/guest"
	"github.com/nkconform/nkconform/harness/internal/kmod"
)

// modules packs the modules that a command asks for, those that the kernel may
// ask for, what they need, and the files that say so.
func (p *packer) modules(c Command) error {
	if c.ModulesDir == "" {
		if len(c.Modules) > 0 {
			return errors.New("no folder with the modules of the kernel is known")
		}
		return nil
	}
	index, err := kmod.Open(c.ModulesDir)
	if err != nil {
		return err
	}
	names := c.Modules
	if c.Autoload {
		names = append(index.Asked(), names...)
	}
	list, err := index.Order(names...)
	if err != nil {
		return err
	}
	for _, m := range list {
		if err := p.module(index, m); err != nil {
			return err
		}
	}
	for name, text := range index.Files(list) {
		path := filepath.Join(guest.ModulesDir, name)
		if err := p.w.File([]string{path}, 0o644, int64(len(text)), strings.NewReader(text)); err != nil {
			return err
		}
	}
	return p.modprobe()
}

// module packs one module, unpacked.
func (p *packer) module(index *kmod.Index, m kmod.Module) error {
	b, err := index.Read(m)
	if err != nil {
		return err
	}
	path := filepath.Join(guest.ModulesDir, m.File)
	if err := p.guestDir(filepath.Dir(path)); err != nil {
		return err
	}
	return p.w.File([]string{path}, 0o644, int64(len(b)), bytes.NewReader(b))
}

// guestDir makes a directory that only the guest has.
func (p *packer) guestDir(path string) error {
	if p.has[path] {
		return nil
	}
	if err := p.guestDir(filepath.Dir(path)); err != nil {
		return err
	}
	return p.dir(path, 0o755)
}

// modprobe lets programs call it, too, unless a modprobe of the host is packed.
func (p *packer) modprobe() error {
	if err := p.mkdirs("/sbin"); err != nil {
		return err
	}
	path := "/sbin/modprobe"
	if real, err := filepath.EvalSymlinks("/sbin"); err == nil {
		path = filepath.Join(real, "modprobe")
	}
	if p.has[path] {
		return nil
	}
	p.has[path] = true
	return p.w.Symlink(path, guest.ModprobePath)
}
