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
		dropLogs(dir, time.Now().Add(-logLife))
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

// dropLogs removes the logs older than a point in time.
func dropLogs(dir string, before time.Time) {
	logs, _ := filepath.Glob(filepath.Join(dir, "console-*.log"))
	for _, log := range logs {
		if fi, err := os.Stat(log); err == nil && fi.ModTime().Before(before) {
			os.Remove(log)
		}
	}
}
