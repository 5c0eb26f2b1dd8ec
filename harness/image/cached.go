package image

import (
	"path/filepath"
	"slices"
)

// Cached returns the kernels that are in the cache, newest first, without a
// look at the network. Each can be booted as it is; its Ref is its path.
func Cached() ([]Image, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	found, err := filepath.Glob(filepath.Join(cache, "kernels", "*", "vmlinuz"))
	if err != nil {
		return nil, err
	}
	var all []Image
	for _, kernel := range found {
		release := filepath.Base(filepath.Dir(kernel))
		all = append(all, Image{Ref: "path:" + kernel, Kind: BZImage, Release: release, Kernel: kernel})
	}
	slices.SortFunc(all, func(a, b Image) int { return compareVersions(b.Release, a.Release) })
	return all, nil
}
