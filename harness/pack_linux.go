package harness

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/harness/guest"
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
	var comeBack []string
	for _, path := range c.Out {
		abs, err := filepath.Abs(path)
		if err != nil {
			return wire.Job{}, err
		}
		comeBack = append(comeBack, abs)
	}
	return wire.Job{Argv: append([]string{prog}, c.Argv[1:]...), Env: env, Dir: dir, Out: comeBack,
		Steady: c.Steady, Modules: c.Modules, ModulesHint: c.ModulesHint}, nil
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
	p := newPacker(out)
	if err := p.base(c, j); err != nil {
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
	if err := p.modules(c); err != nil {
		return nil, err
	}
	for _, path := range j.Out {
		if !isDir(path) {
			path = filepath.Dir(path)
		}
		if err := p.mkdirs(path); err != nil {
			return nil, err
		}
	}
	if missing := p.missing(j.Argv[0]); missing != "" {
		return nil, fmt.Errorf("%s needs %s, which is not on this machine", c.Argv[0], missing)
	}
	for _, line := range p.notes() {
		c.note("%s", line)
	}
	if err := p.w.Close(); err != nil {
		return nil, err
	}
	return out, nil
}

func isDir(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.IsDir()
}

// base packs what every guest needs: the init, the job and a root file system.
func (p *packer) base(c Command, j wire.Job) error {
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
	also := []string{"/init"}
	if c.Autoload || c.ModulesDir != "" {
		if err := p.dir(guest.ModulesDir, 0o755); err != nil {
			return err
		}
		also = append(also, guest.ModprobePath)
	}
	return p.file(self, also...)
}
