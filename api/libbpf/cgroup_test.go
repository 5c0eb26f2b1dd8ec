package libbpf_test

import (
	"syscall"
	"testing"

	"github.com/nkconform/nkconform/api/libbpf"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// Links of a cgroup, placed by links, and by a revision.
func TestAttachCgroup(t *testing.T) {
	const ingress = mprog.AttachType(0) // BPF_CGROUP_INET_INGRESS
	k := fake.New()
	cgroup, _, err := k.NewCgroup(mprog.CgroupSpec{Name: "g"})
	must(t, err)
	load := func(name string) *libbpf.Program {
		fd, err := k.LoadProg(mprog.ProgSpec{Name: name, Type: mprog.CgroupSKB, Return: 1})
		must(t, err)
		return &libbpf.Program{Name: name, FD: int(fd), ExpectedAttachType: ingress}
	}
	a, b, c := load("a"), load("b"), load("c")
	first, err := libbpf.AttachCgroup(k, a, int(cgroup), nil)
	must(t, err)
	_, err = libbpf.AttachCgroup(k, b, int(cgroup), libbpf.Opts(libbpf.CgroupOpts{
		Flags: mprog.Before | mprog.Link, RelativeFD: uint32(first.FD()), ExpectedRevision: 2,
	}))
	must(t, err)

	for name, opts := range map[string]libbpf.CgroupOpts{
		"fd and id":   {RelativeFD: 1, RelativeID: 1},
		"a program's": {Flags: mprog.Before, RelativeFD: uint32(a.FD)}, // links are placed by links
	} {
		if _, err := libbpf.AttachCgroup(k, c, int(cgroup), libbpf.Opts(opts)); err == nil {
			t.Errorf("%s: attached", name)
		} else {
			wantErrno(t, err, syscall.EINVAL)
		}
	}
	_, err = libbpf.AttachCgroup(k, c, int(cgroup), libbpf.Opts(libbpf.CgroupOpts{ExpectedRevision: 2}))
	wantErrno(t, err, syscall.ESTALE)
	_, err = libbpf.AttachCgroup(k, c, int(cgroup), &libbpf.CgroupOpts{})
	wantErrno(t, err, syscall.EINVAL)
	_, err = libbpf.AttachCgroup(k, &libbpf.Program{FD: -1}, int(cgroup), nil)
	wantErrno(t, err, syscall.EINVAL)
	_, err = libbpf.AttachCgroup(k, c, 99, nil)
	wantErrno(t, err, syscall.EBADF)

	query := libbpf.Opts(libbpf.ProgQueryOpts{Count: 4, ProgIDs: make([]uint32, 4)})
	must(t, libbpf.ProgQuery(k, int(cgroup), ingress, query))
	if query.Count != 2 || query.Revision != 3 {
		t.Errorf("%d programs at revision %d", query.Count, query.Revision)
	}
}
