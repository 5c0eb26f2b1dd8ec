package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Forms describes the references that Resolve understands, for usage texts.
const Forms = `FILE or path:FILE   a kernel image (bzImage or vmlinux)
tree:DIR            the kernel built in a source tree
debian:VERSION      the newest Debian kernel of that version; debian:VERSION/amd64 for another flavour
vng:vX.Y            a mainline kernel that virtme-ng fetches
uml:FILE            a User-Mode Linux program`

// Resolve finds the image that ref means, and fetches it if need be. See
// Forms for what ref may be.
func Resolve(ctx context.Context, ref string, opts Options) (Image, error) {
	img, err := resolve(ctx, ref, opts)
	if err != nil {
		return Image{}, fmt.Errorf("image %s: %w", ref, err)
	}
	img.Ref = ref
	return img, nil
}

func resolve(ctx context.Context, ref string, opts Options) (Image, error) {
	kind, arg, ok := strings.Cut(ref, ":")
	if !ok {
		return file(BZImage, ref)
	}
	switch kind {
	case "path":
		return file(BZImage, arg)
	case "tree":
		return tree(arg)
	case "uml":
		return program(arg)
	case "debian":
		return resolveDebian(ctx, arg, opts)
	case "vng":
		if !strings.HasPrefix(arg, "v") {
			return Image{}, fmt.Errorf("bad version %q: want one like v6.12", arg)
		}
		return Image{Kind: VNG, Kernel: arg}, nil
	}
	if _, err := os.Stat(ref); err == nil {
		return file(BZImage, ref)
	}
	return Image{}, fmt.Errorf("unknown kind %q; an image is one of\n%s", kind, Forms)
}

// Fetched reports whether an image may have to be fetched, and its kind.
func Fetched(ref string) (Kind, bool) {
	switch kind, _, _ := strings.Cut(ref, ":"); kind {
	case "debian":
		return BZImage, true
	case "vng":
		return VNG, true
	}
	return "", false
}

// tree returns the image that was built in a source tree.
func tree(dir string) (Image, error) {
	if dir == "" {
		return Image{}, errors.New("no folder is named")
	}
	img, err := file(BZImage, filepath.Join(dir, "arch/x86/boot/bzImage"))
	if _, errBuilt := os.Stat(filepath.Join(dir, "modules.order")); errBuilt == nil && err == nil {
		img.Modules = filepath.Dir(filepath.Dir(filepath.Dir(filepath.Dir(img.Kernel))))
	}
	if _, errTree := os.Stat(filepath.Join(dir, "arch/x86")); errors.Is(err, os.ErrNotExist) && errTree == nil {
		return Image{}, fmt.Errorf("no kernel is built there, by make bzImage: %w", err)
	}
	return img, err
}

// program returns the image that is a program of the host.
func program(path string) (Image, error) {
	img, err := file(UML, path)
	if err != nil {
		return Image{}, err
	}
	if fi, err := os.Stat(img.Kernel); err == nil && fi.Mode()&0o111 == 0 && runtime.GOOS == "linux" {
		return Image{}, fmt.Errorf("%s is not a program: nobody may execute it", path)
	}
	return img, nil
}

// file returns the image in a regular file.
func file(kind Kind, path string) (Image, error) {
	if path == "" {
		return Image{}, errors.New("no file is named")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return Image{}, err
	}
	fi, err := os.Stat(abs)
	if err != nil {
		return Image{}, err
	}
	if !fi.Mode().IsRegular() {
		return Image{}, fmt.Errorf("%s is not a regular file", path)
	}
	img := Image{Kind: kind, Kernel: abs}
	if kind == BZImage {
		img.Release = releaseOf(abs)
	}
	return img, nil
}
