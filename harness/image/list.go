package image

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Entry is a kernel that can be had.
type Entry struct {
	Ref     string `json:"image"` // what Resolve takes
	Release string `json:"release"`
	Cached  bool   `json:"cached"`
}

// List returns the newest Debian kernel of each version (as 6.12) and
// flavour, newest first, then the User-Mode Linux kernels built here.
func List(ctx context.Context, opts Options) ([]Entry, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	unlock, err := lockApt(ctx, cache, opts)
	if err != nil {
		return nil, err
	}
	defer unlock()
	a, err := openApt(cache, opts)
	if err != nil {
		return nil, fmt.Errorf("list kernels: %w", err)
	}
	all, err := a.kernels(ctx, listLife)
	if err != nil {
		return nil, fmt.Errorf("list kernels: %w", err)
	}
	list := []Entry{}
	seen := map[string]bool{}
	for _, k := range all {
		major, rest, _ := strings.Cut(k.version, ".")
		minor, _ := span(rest, true)
		ref := "debian:" + major + "." + minor
		if k.flavour != DefaultFlavour {
			ref += "/" + k.flavour
		}
		if seen[ref] {
			continue
		}
		seen[ref] = true
		_, err := os.Stat(filepath.Join(cache, "kernels", k.release, "vmlinuz"))
		list = append(list, Entry{ref, k.release, err == nil})
	}
	return append(list, builtUML(cache)...), nil
}

// builtUML are the User-Mode Linux kernels in the cache, newest first.
func builtUML(cache string) []Entry {
	found, _ := filepath.Glob(filepath.Join(cache, "uml", "*", "linux"))
	var list []Entry
	for _, kernel := range found {
		list = append(list, Entry{"uml:" + kernel, filepath.Base(filepath.Dir(kernel)), true})
	}
	slices.SortFunc(list, func(a, b Entry) int { return compareVersions(b.Release, a.Release) })
	return list
}

// Prune removes the kernels, tools and halves of downloads that have not been
// used for that long from the cache, and returns how many bytes that freed. With
// zero it removes everything, package lists, logs and built kernels included, but
// what another process is at work on.
func Prune(ctx context.Context, unused time.Duration) (int64, error) {
	cache, err := CacheDir()
	if err != nil {
		return 0, err
	}
	unlock, err := lock(ctx, cache, "apt")
	if err != nil {
		return 0, err
	}
	defer unlock()
	old, err := filepath.Glob(filepath.Join(cache, "*", "*"))
	if err != nil {
		return 0, err
	}
	if unused > 0 {
		halves, err := filepath.Glob(filepath.Join(cache, "apt", "downloads", "*"))
		if err != nil {
			return 0, err
		}
		old = append(old, halves...)
	}
	var freed int64
	for _, path := range old {
		part := filepath.Base(filepath.Dir(path))
		prunable := part == "kernels" || part == "vmlinux" || part == "tools" || part == "downloads"
		if part == "run" || part == "uml" && held(path) {
			continue // of machines that run, which remove it, and of a build
		}
		fi, err := os.Stat(path)
		if err != nil || unused > 0 && (!prunable || filepath.Base(path) == "refs" || time.Since(fi.ModTime()) < unused) {
			continue
		}
		n := size(path)
		if err := os.RemoveAll(path); err != nil {
			return freed, fmt.Errorf("prune cache: %w", err)
		}
		freed += n
	}
	return freed, nil
}

// size returns the bytes in all files under path.
func size(path string) (n int64) {
	_ = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if fi, err := d.Info(); err == nil {
				n += fi.Size()
			}
		}
		return nil
	})
	return n
}

// touch marks a part of the cache as used. A cache that cannot be written
// is as good.
func touch(path string) {
	now := time.Now()
	_ = os.Chtimes(path, now, now)
}
