//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// What files of /proc and uname(2) say is the simulated kernel's.
func TestFilesOfProc(t *testing.T) {
	needNamespaces(t)
	t.Log(output(t, target(t, "6.12", "files")))
}

func TestBPFLines(t *testing.T) {
	require.Equal(t, "182 77 0:47 / /sys/fs/bpf rw,relatime - bpf none rw,mode=700\n",
		asBPF("182 77 0:47 / /sys/fs/bpf rw,relatime - tmpfs none rw,size=10k,mode=700,uid=1\n"))
	require.Equal(t, "none /sys/fs/bpf bpf rw,relatime,mode=700 0 0\n",
		asBPF("none /sys/fs/bpf tmpfs rw,relatime,size=10k,mode=700,uid=1,inode64 0 0\n"))
	require.Equal(t, "no line", asBPF("no line"))
}

func filesTarget() error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	prog, err := loadProgram()
	if err != nil {
		return err
	}
	l, err := link(loIndex, prog, tcxIngress)
	if err != nil {
		return err
	}
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 100, MaxEntries: 10})
	if err != nil {
		return err
	}
	status, err := unix.FcntlInt(uintptr(l), unix.F_GETFL, 0)
	if err != nil || status&unix.O_ACCMODE != unix.O_RDONLY {
		return fmt.Errorf("a link's fd has status %#x: %w", status, err)
	}
	made, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", l))
	if err != nil || made != "anon_inode:bpf_link" {
		return fmt.Errorf("a new link is %q: %w", made, err)
	}
	released := unix.ByteSliceToString(u.Release[:])
	var failed error
	for _, c := range []struct{ file, want string }{
		{"", `^6\.12\.118\+deb13-cloud-\w+$`},
		{"/proc/sys/kernel/osrelease", "^" + regexp.QuoteMeta(released) + "\n$"},
		{"/proc/version", `^Linux version 6\.12\.118\+`},
		{"/proc/sys/net/core/bpf_jit_enable", "^1\n$"},
		{"/proc/self/mountinfo", `(?m) /sys/fs/bpf \S+ - bpf bpf rw,mode=700$`},
		{"/proc/mounts", `(?m)^bpf /sys/fs/bpf bpf rw,.*mode=700 0 0$`},
		{"/proc/self/mounts", `(?m)^bpf /sys/fs/bpf bpf `},
		{"/proc/thread-self/mounts", `(?m)^bpf /sys/fs/bpf bpf `},
		{fmt.Sprintf("/proc/%d/mounts", os.Getpid()), `(?m)^bpf /sys/fs/bpf bpf `},
		{fmt.Sprintf("/proc/self/fdinfo/%d", l), `^pos:\t0\nflags:\t02000000\nmnt_id:\t\d+\nino:\t\d+\n` +
			`link_type:\ttcx\nlink_id:\t\d+\nprog_tag:\t[0-9a-f]{16}\nprog_id:\t\d+\nifindex:\t1\nattach_type:\t46 \(ingress\)\n$`},
		{fmt.Sprintf("/proc/self/fdinfo/%d", m.FD()), `^pos:\t0\nflags:\t02000002\nmnt_id:\t\d+\nino:\t\d+\n` +
			`map_type:\t2\nkey_size:\t4\nvalue_size:\t100\nmax_entries:\t10\nmap_flags:\t0x0\nmap_extra:\t0x0\nmemlock:\t1352\nmap_id:\t\d+\nfrozen:\t0\n$`},
		{fmt.Sprintf("/proc/self/fdinfo/%d", prog), `\nprog_type:\t3\nprog_jited:\t1\nprog_tag:\t[0-9a-f]{16}\nmemlock:\t4096\nprog_id:\t\d+\n`},
		{"/proc/self/fdinfo/0", `^pos:\t`},
		{"/proc/self/comm", `\n$`},
	} {
		text := []byte(released)
		if c.file != "" {
			if text, err = os.ReadFile(c.file); err != nil {
				failed = errors.Join(failed, err)
			}
		}
		if !regexp.MustCompile(c.want).Match(text) {
			failed = errors.Join(failed, fmt.Errorf("%s: expected %s in\n%s", c.file, c.want, strings.TrimSpace(string(text))))
		}
	}
	if err := relativeFiles(released); err != nil {
		failed = errors.Join(failed, err)
	}
	if _, err := os.Open("/proc/config.gz"); !errors.Is(err, unix.ENOENT) {
		failed = errors.Join(failed, fmt.Errorf("open /proc/config.gz: %w", err))
	}
	return failed
}

// relativeFiles opens a file by paths that begin in a folder, in all ways that there are.
func relativeFiles(want string) error {
	dir, err := unix.Open("/proc/sys/kernel", unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	if err := os.Chdir("/proc/sys"); err != nil {
		return err
	}
	at2 := func(dir int, name string, resolve uint64) func() (int, error) {
		return func() (int, error) { return unix.Openat2(dir, name, &unix.OpenHow{Resolve: resolve}) }
	}
	for i, c := range []struct {
		open func() (int, error)
		want error
	}{
		{func() (int, error) { return unix.Openat(dir, "osrelease", 0, 0) }, nil},
		{func() (int, error) { return unix.Open("kernel/osrelease", 0, 0) }, nil},
		{func() (int, error) { return unix.Open("../sys/kernel/osrelease", 0, 0) }, nil},
		{at2(unix.AT_FDCWD, "/proc/sys/kernel/osrelease", 0), nil},
		{at2(dir, "osrelease", unix.RESOLVE_BENEATH), nil},
		{at2(dir, "osrelease", unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_SYMLINKS), nil},
		{at2(dir, "../kernel/osrelease", unix.RESOLVE_BENEATH), unix.EXDEV},
		{at2(dir, "/osrelease", unix.RESOLVE_BENEATH), unix.EXDEV},
		{at2(dir, "nothing", 0), unix.ENOENT},
		{at2(unix.AT_FDCWD, "/proc/self/mounts", unix.RESOLVE_NO_SYMLINKS), unix.ELOOP},
	} {
		fd, err := c.open()
		if !errors.Is(err, c.want) {
			return fmt.Errorf("open %d: %w", i, err)
		}
		if err != nil {
			continue
		}
		var p [100]byte
		n, err := unix.Read(fd, p[:])
		if err != nil || string(p[:n]) != want+"\n" {
			return fmt.Errorf("open %d: %q: %w", i, p[:n], err)
		}
		_ = unix.Close(fd)
	}
	return nil
}

func init() { targets["files"] = check(filesTarget) }
