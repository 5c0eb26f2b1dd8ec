package fuse

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"
)

// What programs do with files, on a mount of its own.
func TestServer(t *testing.T) {
	written := ""
	root := Folder()
	root.Add("hello", &Node{Read: func() []byte { return []byte("hello\n") }})
	root.Add("in", &Node{
		Read: func() []byte { return []byte(written) },
		Write: func(p []byte) syscall.Errno {
			if string(p) == "no" {
				return syscall.EINVAL
			}
			written += string(p)
			return 0
		},
	})
	many := Folder()
	many.Fill = func(n *Node) {
		for i := range 1000 {
			n.Add("file"+string(rune('a'+i%26))+string(rune('a'+i/26%26))+string(rune('a'+i/676)), &Node{})
		}
	}
	root.Add("many", many)
	root.Mkdir = func(name string) (*Node, syscall.Errno) {
		if root.Child(name) != nil {
			return nil, syscall.EEXIST
		}
		return root.Add(name, Folder()), 0
	}
	root.Rmdir = func(name string) syscall.Errno { root.Remove(name); return 0 }

	dir := t.TempDir()
	done := make(chan error)
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			done <- err
			return
		}
		assert.NoError(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		s, err := Mount(root, "ours", dir)
		if err != nil {
			done <- err
			return
		}
		defer s.Close()
		check(t, dir)
	}()
	if err := <-done; err != nil {
		t.Skipf("needs root and /dev/fuse: %v", err)
	}
	assert.Equal(t, "onetwo", written)
}

func check(t *testing.T, dir string) {
	at := func(name string) string { return filepath.Join(dir, name) }
	data, err := os.ReadFile(at("hello"))
	assert.NoError(t, err)
	assert.Equal(t, "hello\n", string(data))
	for _, text := range []string{"one", "two"} {
		assert.NoError(t, os.WriteFile(at("in"), []byte(text), 0))
	}
	assert.ErrorIs(t, os.WriteFile(at("in"), []byte("no"), 0), syscall.EINVAL)
	assert.ErrorIs(t, os.WriteFile(at("hello"), []byte("x"), 0), syscall.EACCES)
	_, err = os.Stat(at("nothing"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	list, err := os.ReadDir(at("many"))
	assert.NoError(t, err)
	assert.Len(t, list, 1000)
	assert.NoError(t, os.Mkdir(at("new"), 0o755))
	assert.ErrorIs(t, os.Mkdir(at("new"), 0o755), os.ErrExist)
	info, err := os.Stat(at("new"))
	if assert.NoError(t, err) {
		assert.True(t, info.IsDir())
	}
	assert.NoError(t, os.Remove(at("new")))
	_, err = os.Stat(at("new"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = os.Create(at("other"))
	assert.ErrorIs(t, err, os.ErrPermission)
}
