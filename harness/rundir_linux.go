package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nkconform/nkconform/harness/image"
)

// runDirLife is longer than any run takes.
const runDirLife = 24 * time.Hour

// runDir makes a directory for one run, to be removed after it. It is in the
// cache, where a guest that shares the host's root file system sees it, and
// where the next run removes what a killed one has left.
func runDir(machine string) (string, error) {
	dir, err := makeRunDir()
	if err != nil {
		return "", &UnavailableError{machine, err.Error()}
	}
	return dir, nil
}

func makeRunDir() (string, error) {
	cache, err := image.CacheDir()
	if err != nil {
		return "", err
	}
	parent := filepath.Join(cache, "run")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", fmt.Errorf("make directory for the run: %w", err)
	}
	removeOld(filepath.Join(parent, "*"), time.Now().Add(-runDirLife))
	dir, err := os.MkdirTemp(parent, "")
	if err != nil {
		return "", fmt.Errorf("make directory for the run: %w", err)
	}
	return dir, nil
}
