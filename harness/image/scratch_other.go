//go:build !unix

package image

import (
	"context"
	"os"
)

func makeScratch(_ context.Context, _, parent string) (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp(parent, ".build-*")
	return dir, func() { os.RemoveAll(dir) }, err
}

func held(string) bool { return false }
