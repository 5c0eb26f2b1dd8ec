package fake

import (
	"testing"

	"github.com/nkconform/nkconform/mprog"
)

// A trace has no empty path.
func TestEmptyPath(t *testing.T) {
	k := New()
	prog, err := k.LoadProg(mprog.ProgSpec{Name: "a"})
	check(t, err, 0, "")
	check(t, k.ObjPin(mprog.PinRequest{FD: prog}), mprog.ENOENT, "path/missing")
	_, err = k.ObjGet(mprog.GetRequest{})
	check(t, err, mprog.ENOENT, "path/missing")
	check(t, k.Unlink(""), mprog.ENOENT, "path/missing")
}
