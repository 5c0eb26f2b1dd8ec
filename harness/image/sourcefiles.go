package image

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// SourceFiles returns a folder with some files of the newest kernel source of a version
// that Debian has, at their places in the tree. They are unpacked once and stay in the
// cache; for a newer source the folder has to be removed.
func SourceFiles(ctx context.Context, version string, files []string, opts Options) (dir string, err error) {
	dir, err = sourceFiles(ctx, version, files, opts)
	if err != nil {
		return "", fmt.Errorf("kernel source %s: %w", version, err)
	}
	return dir, nil
}

// CachedSourceFiles returns the folder of [SourceFiles], and whether it is there.
func CachedSourceFiles(version string, files []string) (dir string, ok bool) {
	cache, err := CacheDir()
	if err != nil {
		return "", false
	}
	which := sha256.Sum256([]byte(strings.Join(files, "\n")))
	dir = filepath.Join(cache, "source", "debian-"+version+"-"+hex.EncodeToString(which[:4]))
	_, err = os.Stat(dir)
	return dir, err == nil
}

func sourceFiles(ctx context.Context, version string, files []string, opts Options) (string, error) {
	if version == "" || !isDigit(version[0]) || !regexp.MustCompile(`^[\w.+~-]+$`).MatchString(version) {
		return "", fmt.Errorf("bad version %q: want one like 7.3 or 6.12", version)
	}
	dest, ok := CachedSourceFiles(version, files)
	if ok {
		return dest, nil
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	deb, err := fetchSource(ctx, cache, version, opts)
	if err != nil {
		return "", err
	}
	defer func() {
		if ctx.Err() == nil { // else it is wanted again
			os.Remove(deb)
		}
	}()
	opts.progress("unpacking files of " + filepath.Base(deb))
	return dest, place(dest, func(tmp string) error {
		if err := os.MkdirAll(tmp, 0o755); err != nil {
			return err
		}
		return unpackSome(ctx, deb, files, tmp)
	})
}

// unpackSome unpacks files of the source archive in a package.
func unpackSome(ctx context.Context, deb string, files []string, dir string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends dpkg-deb, which has more to give
	outer := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	stream, err := outer.StdoutPipe()
	if err != nil {
		return err
	}
	if err := outer.Start(); err != nil {
		return err
	}
	defer func() {
		cancel()
		_ = outer.Wait()
	}()
	archive := tar.NewReader(stream)
	for {
		h, err := archive.Next()
		if err != nil {
			return fmt.Errorf("the package has no source archive: %w", err)
		}
		if ok, _ := path.Match("linux-source-*.tar.xz", path.Base(h.Name)); ok {
			break
		}
	}
	args := []string{"-xJ", "-C", dir, "--strip-components=1", "--wildcards"}
	for _, f := range files {
		args = append(args, "*/"+f)
	}
	inner := exec.CommandContext(ctx, "tar", args...)
	var said bytes.Buffer
	inner.Stdin, inner.Stderr = archive, &said
	if err := inner.Run(); err != nil {
		return fmt.Errorf("tar: %w: %s", err, lastLines(said.String(), 12))
	}
	return nil
}
