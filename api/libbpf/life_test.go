package libbpf_test

import (
	"errors"
	"slices"
	"syscall"
	"testing"

	"github.com/nkconform/nkconform/api/libbpf"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// stage is a netkit pair and two loaded programs.
func stage(t *testing.T) (k *fake.Kernel, nk0 int, a, b *libbpf.Program) {
	t.Helper()
	k = fake.New()
	index, _, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"})
	must(t, err)
	load := func(name string) *libbpf.Program {
		fd, err := k.LoadProg(mprog.ProgSpec{Name: name})
		must(t, err)
		return &libbpf.Program{Name: name, FD: int(fd), ExpectedAttachType: primary}
	}
	return k, int(index), load("a"), load("b")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErrno(t *testing.T, err error, want syscall.Errno) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
}

// A link from its creation to its end.
func TestLink(t *testing.T) {
	k, nk0, a, b := stage(t)
	l, err := libbpf.AttachNetkit(k, a, nk0, nil)
	must(t, err)
	must(t, l.UpdateProgram(b))
	wantErrno(t, l.UpdateProgram(&libbpf.Program{FD: -1}), syscall.EINVAL)
	wantErrno(t, l.Unpin(), syscall.EINVAL)
	wantErrno(t, l.Pin("/tmp/l"), syscall.EINVAL)
	must(t, l.Pin("/sys/fs/bpf/l"))
	wantErrno(t, l.Pin("/sys/fs/bpf/m"), syscall.EBUSY)
	must(t, l.Destroy())

	l, err = libbpf.LinkOpen(k, "/sys/fs/bpf/l")
	must(t, err)
	if l.PinPath() != "/sys/fs/bpf/l" {
		t.Errorf("pinned at %q", l.PinPath())
	}
	must(t, l.Unpin())
	wantErrno(t, l.Unpin(), syscall.EINVAL)
	must(t, l.Detach())
	wantErrno(t, l.UpdateProgram(a), syscall.ENOLINK)
	must(t, l.Destroy())
	wantErrno(t, l.Detach(), syscall.EBADF)
	_, err = libbpf.LinkOpen(k, "/sys/fs/bpf/l")
	wantErrno(t, err, syscall.ENOENT)
}

func TestDisconnect(t *testing.T) {
	k, nk0, a, _ := stage(t)
	l, err := libbpf.AttachNetkit(k, a, nk0, nil)
	must(t, err)
	l.Disconnect()
	must(t, l.Destroy())
	must(t, l.Detach()) // the fd is open
	must(t, (*libbpf.Link)(nil).Destroy())
}

// A query writes what the size reaches to, also after ENOSPC.
func TestQuery(t *testing.T) {
	k, nk0, a, b := stage(t)
	must(t, libbpf.ProgAttach(k, a.FD, nk0, primary, nil))
	l, err := libbpf.AttachNetkit(k, b, nk0, libbpf.Opts(libbpf.NetkitOpts{Flags: mprog.Before}))
	must(t, err)
	info, err := k.ObjectInfo(uint32(l.FD()))
	must(t, err)

	q := libbpf.Opts(libbpf.ProgQueryOpts{Count: 4, ProgIDs: make([]uint32, 4), LinkIDs: make([]uint32, 4)})
	must(t, libbpf.ProgQuery(k, nk0, primary, q))
	if q.Count != 2 || q.Revision != 3 || !slices.Equal(q.LinkIDs, []uint32{info.ID, 0, 0, 0}) {
		t.Errorf("%+v", q)
	}
	q = libbpf.Opts(libbpf.ProgQueryOpts{Count: 1, ProgIDs: make([]uint32, 1)})
	wantErrno(t, libbpf.ProgQuery(k, nk0, primary, q), syscall.ENOSPC)
	if q.Count != 2 || q.Revision != 3 || q.ProgIDs[0] != info.ProgID {
		t.Errorf("after ENOSPC: %+v", q)
	}
	q = libbpf.Opts(libbpf.ProgQueryOpts{
		Count: 2, ProgIDs: make([]uint32, 2), ProgAttachFlags: []uint32{7, 7}, LinkAttachFlags: []uint32{7},
	})
	wantErrno(t, libbpf.ProgQuery(k, nk0, primary, q), syscall.EFAULT)
	if q.Count != 2 || q.Revision != 3 || !slices.Equal(q.ProgAttachFlags, []uint32{0, 0}) || q.LinkAttachFlags[0] != 0 {
		t.Errorf("after EFAULT: %+v", q)
	}
	q = &libbpf.ProgQueryOpts{Size: size(28), Revision: 9}
	must(t, libbpf.ProgQuery(k, nk0, primary, q))
	if q.Count != 2 || q.Revision != 9 {
		t.Errorf("wrote behind the size: %+v", q)
	}
	q = libbpf.Opts(libbpf.ProgQueryOpts{Count: 5, Revision: 9})
	wantErrno(t, libbpf.ProgQuery(k, nk0+99, primary, q), syscall.ENODEV)
	if q.Count != 5 || q.Revision != 0 {
		t.Errorf("after an error: %+v", q)
	}
	must(t, libbpf.ProgQuery(k, nk0, primary, nil))
	must(t, libbpf.ProgDetach(k, 0, nk0, primary, nil)) // the last, whatever it is
}

// A refusal says whose it is.
func TestWhoRefused(t *testing.T) {
	k, nk0, a, _ := stage(t)
	_, err := libbpf.AttachNetkit(k, a, 0, nil)
	if want := `libbpf attach netkit: prog "a": target netdevice ifindex cannot be zero: EINVAL`; err.Error() != want {
		t.Errorf("%v", err)
	}
	_, err = libbpf.AttachNetkit(k, a, nk0, libbpf.Opts(libbpf.NetkitOpts{ExpectedRevision: 4}))
	if want := "link create: expected revision 4, hook is at 1: ESTALE"; err.Error() != want {
		t.Errorf("%v", err)
	}
}
