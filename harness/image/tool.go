package image

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// toolSuite is the Debian release whose tools are unpacked where the system's
// own lack them. They run on other releases, since their libraries come along.
const toolSuite = "trixie"

// VirtmeNG returns a directory with virtme-ng (usr/bin/vng, its Python modules
// under usr/lib/python3/dist-packages), fetched from Debian and unpacked in
// the cache without being installed. It needs the system's Python.
func VirtmeNG(ctx context.Context, opts Options) (dir string, err error) {
	return tool(ctx, opts, "virtme-ng", "virtme-ng")
}

// Virtiofsd returns the path of a virtiofsd fetched in the same way, as a
// script that starts it with its own libraries.
func Virtiofsd(ctx context.Context, opts Options) (path string, err error) {
	dir, err := tool(ctx, opts, "virtiofsd", "virtiofsd", "libc6", "libcap-ng0", "libgcc-s1", "libseccomp2")
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "bin", "virtiofsd")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	script := "#!/bin/sh\n" +
		`here=$(dirname "$0")/../usr` + "\n" +
		`exec "$here/lib64/ld-linux-x86-64.so.2" --library-path "$here/lib/x86_64-linux-gnu" "$here/libexec/virtiofsd" "$@"` + "\n"
	err = place(path, func(tmp string) error { return os.WriteFile(tmp, []byte(script), 0o755) })
	if err != nil {
		return "", fmt.Errorf("cache virtiofsd: %w", err)
	}
	return path, nil
}

// tool returns the directory in the cache in which the packages are unpacked.
func tool(ctx context.Context, opts Options, name string, packages ...string) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "tools", name)
	if _, err := os.Stat(dir); err == nil {
		touch(dir)
		return dir, nil
	}
	unlock, err := lockApt(ctx, cache, opts)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	a, err := openApt(cache, opts)
	if err != nil {
		return "", err
	}
	if err := a.renew(ctx, listLife); err != nil {
		return "", fmt.Errorf("fetch %s: %w", name, err)
	}
	err = place(dir, func(tmp string) error {
		for _, p := range packages {
			deb, err := a.download(ctx, p, "/"+toolSuite)
			if err != nil {
				return err
			}
			out, err := exec.CommandContext(ctx, "dpkg-deb", "--extract", deb, tmp).CombinedOutput()
			os.Remove(deb)
			if err != nil {
				return fmt.Errorf("unpack %s: %w: %s", p, err, out)
			}
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", name, a.told(err))
	}
	return dir, nil
}
