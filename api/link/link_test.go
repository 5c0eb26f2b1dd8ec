package link_test

import (
	"errors"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/nkconform/nkconform/api/link"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// used is a kernel with a netkit pair and two programs.
func used(t *testing.T, opts ...fake.Option) (k *fake.Kernel, nk0, nk1 uint32, a, b *link.Program) {
	t.Helper()
	k = fake.New(opts...)
	nk0, nk1, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"})
	must(t, err)
	a, err = link.NewProgram(k, mprog.ProgSpec{Name: "a"})
	must(t, err)
	b, err = link.NewProgram(k, mprog.ProgSpec{Name: "b"})
	must(t, err)
	return k, nk0, nk1, a, b
}

func must(t testing.TB, err error) {
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

// The reason of the model is in the error that the library returns.
func TestReason(t *testing.T) {
	k, nk0, _, a, _ := used(t)
	_, err := link.AttachNetkit(k, link.NetkitOptions{
		Interface: int(nk0), Program: a, Attach: ebpf.AttachNetkitPrimary, ExpectedRevision: 7,
	})
	wantErrno(t, err, syscall.ESTALE)
	if want := "attach netkit link: link create: expected revision 7, hook is at 1: ESTALE"; err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// A link of PEER names the peer, and after its device nothing.
func TestPeerInfo(t *testing.T) {
	k, nk0, nk1, a, _ := used(t)
	l, err := link.AttachNetkit(k, link.NetkitOptions{Interface: int(nk0), Program: a, Attach: ebpf.AttachNetkitPeer})
	must(t, err)
	info, err := l.Info()
	must(t, err)
	if n := info.Netkit(); n == nil || n.Ifindex != nk1 || n.AttachType != ebpf.AttachNetkitPeer || info.TCX() != nil {
		t.Errorf("%+v, %+v", info, info.Netkit())
	}
	must(t, k.DeleteDevice(nk0))
	info, err = l.Info()
	must(t, err)
	if n := info.Netkit(); n.Ifindex != 0 {
		t.Errorf("the device is gone, yet ifindex %d", n.Ifindex)
	}
	wantErrno(t, l.Update(a), syscall.ENOLINK)
}

func TestProgramHandles(t *testing.T) {
	k, nk0, _, a, _ := used(t)
	info, err := a.Info()
	must(t, err)
	id, ok := info.ID()
	if !ok || info.Name != "a" || info.Type != ebpf.SchedCLS {
		t.Errorf("%+v", info)
	}
	again, err := link.NewProgramFromID(k, id)
	must(t, err)
	must(t, a.Close())
	must(t, link.RawAttachProgram(k, link.RawAttachProgramOptions{
		Target: int(nk0), Program: again, Attach: ebpf.AttachNetkitPrimary,
	}))
	must(t, again.Close())
	must(t, again.Close())
	must(t, (*link.Program)(nil).Close())
	if _, err = again.Info(); !errors.Is(err, mprog.EBADFD) {
		t.Errorf("%v", err)
	}
	_, err = link.NewProgramFromID(k, id+100)
	wantErrno(t, err, syscall.ENOENT)
	if _, err = link.NewProgramFromFD(k, -1); err == nil {
		t.Error("an fd below 0")
	}
	notProg, err := link.NewProgramFromFD(k, 1)
	must(t, err)
	_, err = notProg.Info()
	wantErrno(t, err, syscall.EINVAL)
}

// racing attaches a program between the two calls of QueryPrograms.
type racing struct {
	mprog.Kernel
	act func()
}

func (r *racing) ProgQuery(q mprog.QueryRequest) (mprog.QueryResult, error) {
	if q.Count > 0 {
		r.act()
	}
	return r.Kernel.ProgQuery(q)
}

// A query is not atomic: programs that come between its two calls are ENOSPC,
// programs that go are not there.
func TestQueryRaces(t *testing.T) {
	k, nk0, _, a, b := used(t)
	at := func(p *link.Program) link.RawAttachProgramOptions {
		return link.RawAttachProgramOptions{Target: int(nk0), Program: p, Attach: ebpf.AttachNetkitPrimary}
	}
	hook := link.QueryOptions{Target: int(nk0), Attach: ebpf.AttachNetkitPrimary}
	must(t, link.RawAttachProgram(k, at(a)))
	_, err := link.QueryPrograms(&racing{k, func() { must(t, link.RawAttachProgram(k, at(b))) }}, hook)
	wantErrno(t, err, syscall.ENOSPC)
	res, err := link.QueryPrograms(&racing{k, func() {
		must(t, link.RawDetachProgram(k, link.RawDetachProgramOptions(at(b))))
	}}, hook)
	must(t, err)
	if len(res.Programs) != 1 || res.Revision != 4 || res.HaveLinkInfo() {
		t.Errorf("%+v", res)
	}
}

// What the kernel lacks is ErrNotSupported; what it has and refuses is not.
func TestNotSupported(t *testing.T) {
	k := fake.New(fake.Without(mprog.FeatureNetkit))
	a, err := link.NewProgram(k, mprog.ProgSpec{})
	must(t, err)
	opts := link.NetkitOptions{Interface: 1, Program: a, Attach: ebpf.AttachNetkitPrimary}
	_, err = link.AttachNetkit(k, opts)
	if !errors.Is(err, ebpf.ErrNotSupported) || err.Error() != "netkit not supported (requires >= v6.7)" {
		t.Errorf("%v", err)
	}
	opts.Attach, opts.Flags = ebpf.AttachTCXIngress, 1
	_, err = link.AttachTCX(k, link.TCXOptions(opts))
	wantErrno(t, err, syscall.EINVAL)
	if errors.Is(err, link.ErrNotSupported) {
		t.Errorf("%v", err)
	}
}

// Without CAP_NET_ADMIN a query is ErrNotSupported, which hides the EPERM.
func TestNotPermitted(t *testing.T) {
	k := fake.New()
	p, err := k.NewProcess(mprog.ProcessSpec{Without: []mprog.Capability{mprog.CapNetAdmin, mprog.CapSysAdmin}})
	must(t, err)
	_, err = link.QueryPrograms(p, link.QueryOptions{Target: 1, Attach: ebpf.AttachTCXIngress})
	if want := "query programs: BPF_PROG_QUERY not supported (requires >= v4.15)"; err.Error() != want || !errors.Is(err, link.ErrNotSupported) {
		t.Errorf("%v", err)
	}
	_, err = link.NewFromID(p, 1)
	wantErrno(t, err, syscall.EPERM)
}

// A pin of something else is no link.
func TestLoadPinnedProgram(t *testing.T) {
	k, _, _, a, _ := used(t)
	const path = mprog.BPFFS + "/a"
	must(t, k.ObjPin(mprog.PinRequest{Path: path, FD: uint32(a.FD())}))
	_, err := link.LoadPinnedLink(k, path, nil)
	if want := path + " is not a Link"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if _, errno := mprog.ErrnoOf(err); errno {
		t.Errorf("%v carries an errno", err)
	}
}
