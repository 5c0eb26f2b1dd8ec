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
)

// archiveFile is a package file as the signed lists describe it.
type archiveFile struct {
	name string
	size int64
	sum  string // SHA-256 in hexadecimal
}

// download fetches a package, of which it wants "=VERSION" or "/SUITE", and
// returns the path of the file. What an earlier attempt left is completed, also
// by the next process; only if that proves bad, it is fetched anew.
func (a *apt) download(ctx context.Context, name, which string) (string, error) {
	uris := func() (string, error) {
		out, err := a.run(ctx, "apt-get", "download", "--print-uris", name+which)
		return string(out), err
	}
	line, err := uris()
	if line == "" && err == nil {
		// Apt takes a file of the right size that is there for granted and
		// tells no checksum. Do not.
		left, _ := filepath.Glob(filepath.Join(a.dir, "downloads", name+"_*.deb"))
		for _, file := range left {
			os.Remove(file)
		}
		line, err = uris()
	}
	if err != nil {
		return "", err
	}
	f, err := parseURIs(line)
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", name, err)
	}
	path := filepath.Join(a.dir, "downloads", f.name)
	if err := checkSpace(a.dir, f.size-size(path)); err != nil {
		return "", err
	}
	a.opts.progress(fmt.Sprintf("fetching %s (%.1f MB)", f.name, float64(f.size)/1e6))
	for range 2 {
		_, err = a.run(ctx, "apt-get", "download", name+which)
		if err == nil {
			err = checkSum(path, f.sum)
		}
		if err == nil || ctx.Err() != nil {
			break
		}
		if size(path) >= f.size {
			os.Remove(path) // it is whole, and bad
		}
	}
	return path, err
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
	return archiveFile{words[1], size, sum}, nil
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
