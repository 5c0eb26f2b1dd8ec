package image

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/nkconform/nkconform/harness/internal/kmod"
)

// ErrNoModules is what errors are of a kernel whose modules cannot be had.
var ErrNoModules = errors.New("no modules")

// FetchModules returns the folder with the kernel's modules, which is as
// /lib/modules/RELEASE is. Of a kernel of Debian they are fetched, if need be; of
// a file they are those that the host has for its release, and of a source tree
// those built there. An error that wraps ErrNoModules says that there are none.
func (i Image) FetchModules(ctx context.Context, opts Options) (dir string, err error) {
	switch {
	case i.Kind == UML:
		err = noModules("a User-Mode Linux has built in what it has")
	case i.Kind == VNG:
		err = noModules("virtme-ng looks after those of its kernels by itself")
	case i.Modules != "":
		return i.Modules, nil
	case i.Release == "":
		err = noModules("its release cannot be told")
	case isCached(i.Kernel):
		dir, err = debianModules(ctx, i, opts)
	default:
		dir = filepath.Join(hostModules, i.Release)
		if _, errDir := os.Stat(dir); errDir != nil {
			err = noModules("they are looked for in " + dir + ", which is not there")
		}
	}
	if err != nil {
		return "", fmt.Errorf("modules of %s: %w", i.Ref, err)
	}
	return dir, nil
}

// hostModules is where a system has the modules of its kernels.
const hostModules = "/lib/modules"

// isCached reports whether a kernel was fetched from Debian.
func isCached(kernel string) bool {
	cache, err := CacheDir()
	return err == nil && filepath.Dir(filepath.Dir(kernel)) == filepath.Join(cache, "kernels")
}

// debianModules returns the folder beside a kernel of Debian, and fetches it if it
// is not there.
func debianModules(ctx context.Context, i Image, opts Options) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	dest := filepath.Join(filepath.Dir(i.Kernel), "modules")
	if _, err := os.Stat(dest); err == nil {
		return dest, nil
	}
	if text, ok := notedNone(dest); ok && !opts.Refresh {
		return "", noModules(text)
	}
	if _, err := exec.LookPath("xz"); err != nil {
		return "", lack("xz is missing, in which Debian's modules are packed: install the package xz-utils")
	}
	unlock, err := lockApt(ctx, cache, opts)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dest); err == nil {
		return dest, nil // another process was faster
	}
	a, err := openApt(cache, opts)
	if err != nil {
		return "", err
	}
	err = a.fetchModules(ctx, i.Release, dest)
	if none := noModules(""); errors.As(err, &none) {
		_ = writeFile(noneFile(dest), string(none)) // a cache that cannot be written only costs time
	}
	return dest, err
}

// noModules is an error that says why there are no modules.
type noModules string

func (n noModules) Error() string { return ErrNoModules.Error() + ": " + string(n) }

func (noModules) Is(target error) bool { return target == ErrNoModules }

// noneFile is where it is noted that there are no modules for a folder.
func noneFile(dest string) string { return dest + ".none" }

// notedNone returns why there were none when package lists as old as the ones at
// hand were last looked at.
func notedNone(dest string) (text string, ok bool) {
	fi, err := os.Stat(noneFile(dest))
	if err != nil || time.Since(fi.ModTime()) > listLife {
		return "", false
	}
	b, err := os.ReadFile(noneFile(dest))
	return string(b), err == nil
}

// modulePackages chooses the packages with a kernel's modules. Up to 6.18 that is
// the package of the kernel; later what is built in is listed in one package, and
// what is not is in another.
func modulePackages(found []pkg, release string) ([]pkg, error) {
	modules, split := newest(found, "linux-modules-"+release)
	if base, ok := newest(found, "linux-base-"+release); split && ok {
		return []pkg{modules, base}, nil
	}
	if split {
		return []pkg{modules}, nil
	}
	if _, ok := newest(found, "linux-binary-"+release); ok {
		return nil, noModules("Debian has the package linux-binary-" + release + ", and linux-modules-" + release + " no more")
	}
	for _, name := range []string{"linux-image-" + release, "linux-image-" + release + "-unsigned"} {
		if p, ok := newest(found, name); ok {
			return []pkg{p}, nil
		}
	}
	return nil, noModules("Debian has no package of " + release + " any more")
}

// fetchModules downloads the packages with a kernel's modules and unpacks them at
// dest.
func (a *apt) fetchModules(ctx context.Context, release, dest string) error {
	if err := a.renew(ctx, listLife); err != nil {
		return err
	}
	found, err := a.packages(ctx, "linux-modules-"+release, "linux-base-"+release, "linux-binary-"+release, "linux-image-"+release)
	if err != nil {
		return err
	}
	list, err := modulePackages(found, release)
	if err != nil {
		return a.told(err)
	}
	return place(dest, func(tmp string) error {
		for _, p := range list {
			deb, err := a.download(ctx, p.name, "="+p.version)
			if err != nil {
				return err
			}
			err = unpackModules(ctx, deb, release, tmp)
			os.Remove(deb)
			if err != nil {
				return err
			}
		}
		defer a.opts.seconds("unpacking the modules of " + release)()
		return kmod.Prepare(tmp)
	})
}

// newest returns the newest version of a package among several.
func newest(all []pkg, name string) (best pkg, ok bool) {
	for _, p := range all {
		if p.name == name && (!ok || compareVersions(p.version, best.version) > 0) {
			best, ok = p, true
		}
	}
	return best, ok
}

// unpackModules adds what a package has below /lib/modules/RELEASE to a folder.
func unpackModules(ctx context.Context, deb, release, dir string) error {
	work, err := os.MkdirTemp(filepath.Dir(dir), "deb-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if out, err := exec.CommandContext(ctx, "dpkg-deb", "--extract", deb, work).CombinedOutput(); err != nil {
		return fmt.Errorf("unpack %s: %w: %s", filepath.Base(deb), err, out)
	}
	for _, place := range []string{"lib/modules", "usr/lib/modules"} {
		files, err := filepath.Glob(filepath.Join(work, place, release, "*"))
		if err != nil {
			return err
		}
		for _, file := range files {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			if err := os.Rename(file, filepath.Join(dir, filepath.Base(file))); err != nil {
				return err
			}
		}
	}
	return nil
}

// offRelease is where a bzImage tells where its version is, less 512.
const offRelease = 0x20e

// releaseOf returns the release that a bzImage tells of itself, or nothing.
func releaseOf(kernel string) string {
	f, err := os.Open(kernel)
	if err != nil {
		return ""
	}
	defer f.Close()
	head := make([]byte, offRelease+2)
	if _, err := io.ReadFull(f, head); err != nil || string(head[offMagic:offMagic+4]) != "HdrS" {
		return ""
	}
	at := binary.LittleEndian.Uint16(head[offRelease:])
	text := make([]byte, 128)
	n, _ := f.ReadAt(text, int64(at)+512)
	release, _, ok := strings.Cut(string(text[:n]), " ")
	if at == 0 || !ok || release == "" || !isDigit(release[0]) {
		return ""
	}
	return release
}
