//go:build !unix

package image

import "os"

// ownDir makes a directory.
func ownDir(dir string) error { return os.MkdirAll(dir, 0o700) }
