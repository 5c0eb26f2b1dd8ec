package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nkconform/nkconform/harness/image"
)

// logLife is how long the console logs of failed runs are kept.
const logLife = 7 * 24 * time.Hour

// keepLog saves a console log for the error that goes with it, and drops old
// ones. A log that cannot be saved is no reason to hide that error.
func keepLog(c Command, console string) Log {
	log := Log{Console: console}
	dir := c.LogDir
	if dir == "" {
		cache, err := image.CacheDir()
		if err != nil {
			return log
		}
		dir = filepath.Join(cache, "logs")
		removeOld(filepath.Join(dir, "console-*.log"), time.Now().Add(-logLife))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return log
	}
	f, err := os.CreateTemp(dir, fmt.Sprintf("console-%s-*.log", time.Now().UTC().Format("20060102-150405")))
	if err != nil {
		return log
	}
	_, err = f.WriteString(console)
	if errClose := f.Close(); err != nil || errClose != nil {
		os.Remove(f.Name())
		return log
	}
	log.File = f.Name()
	return log
}

// removeOld removes the files that match a pattern and have not changed since.
func removeOld(pattern string, since time.Time) {
	found, _ := filepath.Glob(pattern)
	for _, path := range found {
		if fi, err := os.Lstat(path); err == nil && fi.ModTime().Before(since) {
			os.RemoveAll(path)
		}
	}
}
