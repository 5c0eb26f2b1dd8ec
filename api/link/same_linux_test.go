package link_test

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	ciliumlink "github.com/cilium/ebpf/link"

	"github.com/nkconform/nkconform/api/link"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/kernel"
	"github.com/nkconform/nkconform/mprog"
)

// subject is one library on one kernel. Programs and links have names; each
// program is loaded when it is first named.
type subject interface {
	// do makes the call. A nil pointer dereference may come out of it.
	do(call) error
	// list queries the hook: "revision 3: a b@l".
	list() string
}

// call is one call of a library, by names.
type call struct {
	op   string // a function or method
	link string // the link that is made or meant
	prog string // the program; "nil" for none
	old  string
	at   place
	path string

	revision uint64
	flags    uint32
	ifindex  int // of another device than the hook's
	query    uint32
}

// place is an anchor: "head", "tail", or "before", "after", "replace" with what it
// refers to: a program or a link, by id or not.
type place struct {
	side, prog, link string
	byID             bool
}

// outcome tells errors of different libraries apart only where a program that
// calls them could: the errno, ErrNotSupported, which call says so, and the
// words of what carries no errno, up to where an errno may be spelt out.
func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	if errors.Is(err, ebpf.ErrNotSupported) {
		return err.Error()
	}
	operation, _, _ := strings.Cut(err.Error(), ": ")
	for e := range syscall.Errno(600) {
		if e == 0 || !errors.Is(err, e) {
			continue
		}
		if _, bare := err.(*mprog.Error); bare || operation == err.Error() {
			operation = "bare"
		}
		return operation + ": " + mprog.Errno(e).String()
	}
	return operation + " (no errno)"
}

// try makes a call, and tells of a nil pointer dereference as an error.
func try(s subject, c call) (err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(runtime.Error); !ok {
				panic(r)
			}
			err = errors.New("nil pointer dereference")
		}
	}()
	return s.do(c)
}

// The same calls through cilium/ebpf on the running kernel, through this package
// on the running kernel, and through this package on the fake: nobody could
// tell them apart.
func TestSameAsCiliumEBPF(t *testing.T) {
	if _, ok := reflect.TypeFor[ciliumlink.Link]().MethodByName("Detach"); !ok {
		t.Skip("needs cilium/ebpf v0.22.0, whose links can be detached: make newest")
	}
	if restore, err := kernel.ExpediteRCU(); err == nil {
		t.Cleanup(func() { _ = restore() })
	}
	for _, hook := range []ebpf.AttachType{ebpf.AttachTCXIngress, ebpf.AttachNetkitPrimary, ebpf.AttachNetkitPeer} {
		t.Run(hook.String(), func(t *testing.T) {
			newCilium(t, hook) // or skip all
			for _, test := range sameCases {
				t.Run(test.name, func(t *testing.T) {
					theirs := newCilium(t, hook)
					real := newOurs(t, newKernel(t), hook)
					model := newOurs(t, fake.New(), hook)
					for i, c := range test.calls {
						want := outcome(try(theirs, c)) + "; " + theirs.list()
						if got := outcome(try(real, c)) + "; " + real.list(); got != want {
							t.Fatalf("call %d, %+v:\ncilium/ebpf       %s\nhere, same kernel %s", i+1, c, want, got)
						}
						if got := outcome(try(model, c)) + "; " + model.list(); got != want {
							t.Fatalf("call %d, %+v:\ncilium/ebpf     %s\nhere, simulated %s", i+1, c, want, got)
						}
					}
				})
			}
		})
	}
}

func newKernel(t testing.TB) *kernel.Kernel {
	t.Helper()
	k, err := kernel.New()
	if errors.Is(err, kernel.ErrUnavailable) {
		t.Skip(err)
	}
	must(t, err)
	t.Cleanup(func() { must(t, k.Shutdown()) })
	return k
}

// render writes a query's answer by names.
func render(revision uint64, progs []string, err error) string {
	if err != nil {
		return "query " + outcome(err)
	}
	return fmt.Sprintf("revision %d: %s", revision, strings.Join(progs, " "))
}

// What this kernel lacks, if it lacks any, is told in the same words.
func TestNotSupportedAsCiliumEBPF(t *testing.T) {
	real := newKernel(t)
	if real.Supports(mprog.FeatureNetkit) == nil {
		t.Skip("needs a kernel without netkit")
	}
	theirs := newCilium(t, ebpf.AttachTCXIngress)
	opts := ciliumlink.NetkitOptions{Interface: 1, Program: theirs.prog("a"), Attach: ebpf.AttachNetkitPrimary}
	_, want := ciliumlink.AttachNetkit(opts)
	for _, k := range []mprog.Environment{real, fake.New(fake.Without(mprog.FeatureNetkit))} {
		ours := newOurs(t, k, ebpf.AttachTCXIngress)
		_, err := link.AttachNetkit(k, link.NetkitOptions{Interface: 1, Program: ours.prog("a"), Attach: ebpf.AttachNetkitPrimary})
		if outcome(err) != outcome(want) {
			t.Errorf("%v, and cilium/ebpf: %v", err, want)
		}
	}
}
