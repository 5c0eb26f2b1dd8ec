//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/layout"
	"github.com/nkconform/nkconform/mprog"
)

// What who is not privileged in the kernel's first user namespace is told, and tokens, as on
// Linux 6.18.
func TestUsers(t *testing.T) {
	needNamespaces(t)
	t.Log(output(t, target(t, "", "users")))
}

func usersTarget() error {
	var wrong []error
	is := func(what string, got, expected any) { wrong = append(wrong, want(what, got, expected)) }
	token := func(flags, fd int) error {
		_, err := bpfCall(36, words(uint32(flags), uint32(fd)))
		return err
	}
	dir, err := unix.Open(mprog.BPFFS, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	other, err := os.Open("/")
	if err != nil {
		return err
	}
	is("a token of nothing", token(0, 4711), unix.EBADF)
	is("flags of a token", token(1, dir), unix.EINVAL)
	is("a token of another file system", token(0, int(other.Fd())), unix.EINVAL)
	is("a token in the first user namespace", token(0, dir), unix.EOPNOTSUPP)

	prog, err := loadProgram()
	if err != nil {
		return err
	}
	info := make([]byte, 232)
	about := func(prog int) (loaded uint64, uid uint32) {
		low, high := address(&info[0])
		if _, err := bpfCall(15, words(uint32(prog), uint32(len(info)), low, high)); err != nil {
			wrong = append(wrong, err)
		}
		return binary.NativeEndian.Uint64(info[40:]), binary.NativeEndian.Uint32(info[48:])
	}
	loaded, uid := about(prog)
	is("loaded", loaded > 0 && loaded <= monotonic(), true)
	is("by", uid, uint32(os.Getuid()))

	if _, err := os.Stat(layout.File); err == nil {
		is("the first BTF", firstBTF(), "id 1 vmlinux, the kernel's true, of its size true")
	}
	return errors.Join(wrong...)
}

// firstBTF tells of the first BTF there is.
func firstBTF() string {
	next := words(0, 0, 0)
	if _, err := bpfCall(23, next); err != nil {
		return err.Error()
	}
	id := binary.NativeEndian.Uint32(next[4:])
	fd, err := bpfCall(19, words(id))
	if err != nil {
		return err.Error()
	}
	name := make([]byte, 16)
	nl, nh := address(&name[0])
	info := words(0, 0, 0, 0, nl, nh, uint32(len(name)), 0)
	low, high := address(&info[0])
	if _, err := bpfCall(15, words(uint32(fd), uint32(len(info)), low, high)); err != nil {
		return err.Error()
	}
	file, err := os.Stat(layout.File)
	if err != nil {
		return err.Error()
	}
	at := func(i int) uint32 { return binary.NativeEndian.Uint32(info[i:]) }
	return fmt.Sprintf("id %d %s, the kernel's %v, of its size %v", id, bytes.TrimRight(name, "\x00"), at(28) == 1, int64(at(8)) == file.Size())
}

func TestNestedUsers(t *testing.T) {
	needNamespaces(t)
	t.Log(output(t, target(t, "", "nested")))
}

// nestedTarget begins again in a user namespace of its own.
func nestedTarget() error {
	if os.Getenv("NESTED") != "" {
		return nested()
	}
	attr := &os.ProcAttr{Env: append(os.Environ(), "NESTED=1"), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys: &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}}
	p, err := os.StartProcess("/proc/self/exe", os.Args, attr)
	if err != nil {
		return err
	}
	state, err := p.Wait()
	if err != nil {
		return err
	}
	return want("exit status", state.ExitCode(), 0)
}

func nested() error {
	dir, err := unix.Open(mprog.BPFFS, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	_, load := loadProgram()
	_, query := count(loIndex, tcxIngress)
	_, byID := bpfCall(13, words(1, 0, 0))
	_, token := bpfCall(36, words(0, uint32(dir)))
	return errors.Join(want("load", load, unix.EPERM), want("query", query, unix.EPERM), want("by id", byID, unix.EPERM),
		want("token of another user namespace's", token, unix.EPERM))
}
