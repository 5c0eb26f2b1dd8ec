package image

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// DefaultFlavour is Debian's kernel for virtual machines: a third of the
// download of amd64, and faster to boot.
const DefaultFlavour = "cloud-amd64"

// listLife is how old package lists may be before they are fetched again.
const listLife = 24 * time.Hour

// debianKernel is a kernel that Debian packages.
type debianKernel struct {
	release string // such as 7.1.13+deb13-cloud-amd64
	flavour string
	version string // of the package
	pkgs    []pkg  // that may hold the image, the likeliest first
}

// kernelPackage matches the packages with kernel images. What differs is
// where the image is and who signed it; up to 6.18 it is in linux-image,
// then in linux-binary, and linux-image only depends on that.
var kernelPackage = regexp.MustCompile(`^linux-(binary-unsigned|binary|image)-(\d.*?-((?:cloud-)?amd64))(-unsigned)?$`)

// debianKernels groups packages by the kernel they hold, newest first.
func debianKernels(pkgs []pkg) []debianKernel {
	by := map[[2]string]*debianKernel{}
	for _, p := range pkgs {
		m := kernelPackage.FindStringSubmatch(p.name)
		if m == nil || strings.HasSuffix(m[2], "-rt-amd64") {
			continue
		}
		if strings.Count(m[2], ".") < 2 {
			continue // a metapackage such as linux-image-6.12-amd64
		}
		key := [2]string{m[2], p.version}
		if by[key] == nil {
			by[key] = &debianKernel{release: m[2], flavour: m[3], version: p.version}
		}
		if k := by[key]; !slices.Contains(k.pkgs, p) {
			k.pkgs = append(k.pkgs, p)
		}
	}
	var all []debianKernel
	for _, k := range by {
		// linux-binary before linux-image, signed before unsigned.
		slices.SortFunc(k.pkgs, func(a, b pkg) int {
			unsigned := func(p pkg) int { return strings.Count(p.name, "-unsigned") }
			return cmp.Or(cmp.Compare(a.name[:len("linux-b")], b.name[:len("linux-b")]), cmp.Compare(unsigned(a), unsigned(b)))
		})
		all = append(all, *k)
	}
	slices.SortFunc(all, func(a, b debianKernel) int {
		return cmp.Or(compareVersions(b.version, a.version), cmp.Compare(b.release, a.release))
	})
	return all
}

// resolveDebian returns the newest kernel whose version starts with the one
// wanted. What was resolved before is taken from the cache, without a look at
// the network.
func resolveDebian(ctx context.Context, spec string, opts Options) (Image, error) {
	want, flavour, _ := strings.Cut(spec, "/")
	flavour = cmp.Or(flavour, DefaultFlavour)
	if want == "" || !isDigit(want[0]) || !regexp.MustCompile(`^[\w.+~-]+$`).MatchString(want) {
		return Image{}, fmt.Errorf("bad version %q: want one like 7.1 or 6.12.95", want)
	}
	if flavour != "amd64" && flavour != DefaultFlavour {
		return Image{}, fmt.Errorf("unknown flavour %q: want amd64 or %s", flavour, DefaultFlavour)
	}
	cache, err := CacheDir()
	if err != nil {
		return Image{}, err
	}
	ref := filepath.Join(cache, "kernels", "refs", want+"@"+flavour)
	if !opts.Refresh {
		if img, ok := cachedRef(cache, ref); ok {
			return img, nil
		}
	}
	unlock, err := lockApt(ctx, cache, opts)
	if err != nil {
		return Image{}, err
	}
	defer unlock()
	if !opts.Refresh {
		if img, ok := cachedRef(cache, ref); ok {
			return img, nil // another process was faster
		}
	}
	a, err := openApt(cache, opts)
	if err != nil {
		return Image{}, err
	}
	k, err := a.find(ctx, want, flavour)
	if err != nil {
		return Image{}, err
	}
	kernel := filepath.Join(cache, "kernels", k.release, "vmlinuz")
	if !intact(kernel) {
		if err := a.fetch(ctx, k, kernel); err != nil {
			return Image{}, err
		}
	}
	if err := writeFile(ref, k.release); err != nil {
		return Image{}, fmt.Errorf("cache kernel: %w", err)
	}
	return Image{Kind: BZImage, Release: k.release, Kernel: kernel}, nil
}

// cachedRef returns the kernel that a reference was resolved to before, and
// marks it as used.
func cachedRef(cache, ref string) (Image, bool) {
	release, err := os.ReadFile(ref)
	if err != nil {
		return Image{}, false
	}
	dir := filepath.Join(cache, "kernels", string(release))
	kernel := filepath.Join(dir, "vmlinuz")
	if !intact(kernel) {
		return Image{}, false // to be fetched, perhaps once more
	}
	touch(dir)
	return Image{Kind: BZImage, Release: string(release), Kernel: kernel}, true
}

// kernels returns all kernels in the package lists, which it fetches if they
// are older than life. Lists that cannot be fetched are an error only if
// there are no older ones.
func (a *apt) kernels(ctx context.Context, life time.Duration) ([]debianKernel, error) {
	if err := a.renew(ctx, life); err != nil {
		return nil, err
	}
	pkgs, err := a.packages(ctx, "linux-image-", "linux-binary-")
	if err != nil {
		return nil, err
	}
	all := debianKernels(pkgs)
	if len(all) == 0 {
		return nil, a.stale
	}
	if a.stale != nil {
		a.opts.progress("using old package lists: " + a.stale.Error())
	}
	return all, nil
}

// find returns the newest kernel that matches, fetching newer package lists
// if the ones at hand have none.
func (a *apt) find(ctx context.Context, want, flavour string) (debianKernel, error) {
	lives := []time.Duration{listLife, 10 * time.Minute}
	if a.opts.Refresh {
		lives = lives[1:]
	}
	for _, life := range lives {
		all, err := a.kernels(ctx, life)
		if err != nil {
			return debianKernel{}, err
		}
		for _, k := range all {
			if k.flavour == flavour && (matches(k.version, want) || matches(k.release, want)) {
				return k, nil
			}
		}
	}
	return debianKernel{}, a.told(fmt.Errorf("no Debian kernel %s of flavour %s", want, flavour))
}

// fetch downloads a kernel and places its image at dest.
func (a *apt) fetch(ctx context.Context, k debianKernel, dest string) error {
	var errs []string
	for _, p := range k.pkgs {
		deb, err := a.download(ctx, p.name, "="+p.version)
		if err == nil {
			err = place(dest, func(tmp string) error {
				if err := extractKernel(ctx, deb, k.release, tmp); err != nil {
					return err
				}
				return noteSum(tmp, dest)
			})
			os.Remove(deb)
		}
		if err == nil || ctx.Err() != nil || errors.Is(err, syscall.ENOSPC) {
			return err
		}
		errs = append(errs, fmt.Sprintf("%s: %v", p.name, err))
	}
	return fmt.Errorf("fetch kernel %s: %s", k.release, strings.Join(errs, "; "))
}

// extractKernel copies the kernel image out of a package.
func extractKernel(ctx context.Context, deb, release, dest string) (err error) {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	// The rest of the archive is of no interest, nor how dpkg-deb takes that.
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	return copyKernel(tar.NewReader(out), release, dest)
}

func copyKernel(t *tar.Reader, release, dest string) error {
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return errors.New("the package holds no kernel image")
		}
		if err != nil {
			return fmt.Errorf("read package: %w", err)
		}
		name := strings.TrimPrefix(h.Name, "./")
		if name != "boot/vmlinuz-"+release && name != "usr/lib/modules/"+release+"/vmlinuz" || h.Typeflag != tar.TypeReg {
			continue
		}
		f, err := os.Create(dest)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, t)
		return errors.Join(err, f.Close())
	}
}
