package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// archiveFile is a package file as the signed lists describe it.
type archiveFile struct {
	uri  string
	name string
	size int64
	sum  string // SHA-256 in hexadecimal
}

// aptHelper fetches single files as apt does. Unlike apt-get download it goes on
// with what an earlier process has left.
var aptHelper = "/usr/lib/apt/apt-helper"

// stallLimit is how long a download may make no progress. Apt has a limit of its
// own for connections, but waits forever on a full disk.
const stallLimit = 2 * time.Minute

// download fetches a package, of which it wants "=VERSION" or "/SUITE", and
// returns the path of the file. What an earlier attempt left is completed, also
// by the next process; only if that proves bad, it is fetched anew.
func (a *apt) download(ctx context.Context, name, which string) (string, error) {
	line, err := a.run(ctx, "apt-get", "download", "--print-uris", name+which)
	if err != nil {
		return "", err
	}
	f, err := parseURIs(string(line))
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", name, err)
	}
	path := filepath.Join(a.dir, "downloads", f.name)
	for range 2 {
		err = a.fetchFile(ctx, f, path)
		if err == nil || ctx.Err() != nil || errors.Is(err, syscall.ENOSPC) {
			break
		}
		os.Remove(path + ".FAILED") // what apt has found to be bad
		if size(path) >= f.size {
			os.Remove(path)
		}
	}
	return path, err
}

// fetchFile fetches what a file lacks, and checks it.
func (a *apt) fetchFile(ctx context.Context, f archiveFile, path string) error {
	if err := checkSpace(a.dir, f.size-size(path)); err != nil {
		return err
	}
	defer a.opts.live(func(time.Duration) string {
		return fmt.Sprintf("fetching %.1f of %.1f MB of %s", mega(size(path)), mega(f.size), f.name)
	})()
	ctx, done := whileChanging(ctx, path)
	defer done()
	if _, err := a.runUnlimited(ctx, aptHelper, "download-file", f.uri, path, "SHA256:"+f.sum); err != nil {
		return err
	}
	return checkSum(path, f.sum)
}

func mega(bytes int64) float64 { return float64(bytes) / 1e6 }

// whileChanging returns a context that ends when a file has not changed for long.
func whileChanging(ctx context.Context, path string) (changing context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	had := size(path)
	look := time.NewTicker(stallLimit)
	go func() {
		defer look.Stop()
		for {
			select {
			case <-look.C:
				if has := size(path); has != had { // less, if the server made apt begin anew
					had = has
					continue
				}
				cancel(fmt.Errorf("no progress within %v", stallLimit))
			case <-ctx.Done():
			}
			return
		}
	}()
	return ctx, func() { cancel(nil) }
}

// parseURIs reads the line "'URI' FILE SIZE SHA256:SUM".
func parseURIs(line string) (archiveFile, error) {
	words := strings.Fields(line)
	if len(words) != 4 {
		return archiveFile{}, fmt.Errorf("cannot read apt's answer %q", strings.TrimSpace(line))
	}
	sum, ok := strings.CutPrefix(words[3], "SHA256:")
	size, err := strconv.ParseInt(words[2], 10, 64)
	if !ok || err != nil || words[1] != filepath.Base(words[1]) {
		return archiveFile{}, fmt.Errorf("cannot read apt's answer %q", strings.TrimSpace(line))
	}
	return archiveFile{strings.Trim(words[0], "'"), words[1], size, sum}, nil
}

// checkSum returns an error if the file's SHA-256 is not sum.
func checkSum(path, sum string) error {
	have, err := fileSum(path)
	if err == nil && have != sum {
		err = errors.New(path + " is damaged: its checksum is wrong")
	}
	return err
}

// fileSum returns the file's SHA-256 in hexadecimal.
func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// sumSuffix ends the name of the file beside a file in the cache that holds its
// checksum.
const sumSuffix = ".sha256"

// noteSum notes the checksum of a file that will be placed at dest.
func noteSum(file, dest string) error {
	sum, err := fileSum(file)
	if err != nil {
		return err
	}
	return writeFile(dest+sumSuffix, sum)
}

// intact reports whether a file is in the cache, and as it was placed there.
func intact(path string) bool {
	sum, err := os.ReadFile(path + sumSuffix)
	if err != nil { // placed before sums were noted
		_, err := os.Stat(path)
		return err == nil
	}
	return checkSum(path, string(sum)) == nil
}
