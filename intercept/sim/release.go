package sim

import (
	"embed"
	"fmt"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/nkconform/nkconform/fake"
)

// What kernels were found to have is a file for each release at which that changes,
// with lines of a name, a colon and what follows.

// newestFile reads, of the files of a folder that are named by releases, the newest
// that is not newer than a release, and before all of them the oldest.
func newestFile(files embed.FS, dir string, r fake.Release) (lines map[string]string, err error) {
	list, err := files.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", dir, err)
	}
	var best fake.Release
	for _, f := range list {
		of, err := fake.ParseRelease(f.Name())
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", dir, err)
		}
		if best == (fake.Release{}) || best.Before(of) == !r.Before(of) {
			best = of
		}
	}
	return readFile(files, dir, best.String())
}

// readFile reads the lines of a file, without comments.
func readFile(files embed.FS, dir, name string) (lines map[string]string, err error) {
	text, err := files.ReadFile(path.Join(dir, name))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", dir, err)
	}
	lines = make(map[string]string)
	for line := range strings.Lines(string(text)) {
		name, list, found := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if found && !strings.HasPrefix(line, "#") {
			lines[name] = list
		}
	}
	return lines, nil
}

// numbers is a set.
type numbers map[int32]bool

// readNumbers reads numbers and ranges of them.
func readNumbers(list string) (numbers, error) {
	set := numbers{}
	for _, field := range strings.Fields(list) {
		from, to, found := strings.Cut(field, "-")
		if !found {
			to = from
		}
		first, err := strconv.ParseInt(from, 10, 32)
		if err != nil {
			return nil, err
		}
		last, err := strconv.ParseInt(to, 10, 32)
		if err != nil {
			return nil, err
		}
		for n := first; n <= last; n++ {
			set[int32(n)] = true
		}
	}
	return set, nil
}

// once reads what is known of each release once, when somebody asks.
type once[T any] struct{ read sync.Map }

// of returns what reads a release's.
func (o *once[T]) of(r fake.Release, read func(fake.Release) (T, error)) func() (T, error) {
	f, _ := o.read.LoadOrStore(r, sync.OnceValues(func() (T, error) { return read(r) }))
	return f.(func() (T, error))
}
