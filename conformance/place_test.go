package conformance_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// elsewhere is a fake that does something more whenever its first process
// detaches, moves a device, or ends a network namespace.
type elsewhere struct {
	*fake.Kernel
	started mprog.Process // the process started last
	detach  func(*elsewhere) error
	move    func(*elsewhere, uint32) error
	end     func(*elsewhere) error
}

func (e *elsewhere) NewProcess(spec mprog.ProcessSpec) (p mprog.Process, err error) {
	e.started, err = e.Kernel.NewProcess(spec)
	return e.started, err
}

func (e *elsewhere) ProgDetach(r mprog.DetachRequest) error {
	if e.detach != nil {
		if err := e.detach(e); err != nil {
			return err
		}
	}
	return e.Kernel.ProgDetach(r)
}

func (e *elsewhere) MoveDevice(ifindex uint32, to mprog.Netns) (uint32, error) {
	if e.move != nil {
		if err := e.move(e, ifindex); err != nil {
			return 0, err
		}
	}
	return e.Kernel.MoveDevice(ifindex, to)
}

func (e *elsewhere) EndNetns(n mprog.Netns) error {
	if e.end != nil {
		if err := e.end(e); err != nil {
			return err
		}
	}
	return e.Kernel.EndNetns(n)
}

func TestRunLooksIntoOtherNamespaces(t *testing.T) {
	detachInStarted := func(e *elsewhere) error {
		return e.started.ProgDetach(mprog.DetachRequest{TargetIfindex: 1, AttachType: mprog.TCXIngress})
	}
	detachFirst := func(e *elsewhere, ifindex uint32) error {
		return e.Kernel.ProgDetach(mprog.DetachRequest{TargetIfindex: ifindex, AttachType: mprog.NetkitPrimary})
	}
	detachOther := func(e *elsewhere) error {
		return e.ProgDetach(mprog.DetachRequest{TargetIfindex: 1, AttachType: mprog.TCXIngress})
	}
	const away = "attach lo:ingress a = revision 2 [a]\nattach nk0:primary a = revision 2 [a]\nlink l nk0:peer b = revision 2 [b@l]\n" +
		"netns blue\nmove nk1 blue\n"
	const lo = "netns blue\nprocess q netns=blue\nattach lo:ingress a = revision 2 [a]\nq: attach lo:ingress b = revision 2 [b]\n"
	for _, tc := range []struct {
		name, trace string
		env         elsewhere
		want        string // part of the failure; "": passes
	}{
		{name: "the caller's own hook", trace: lo + "detach lo:ingress a = revision 1 []\nq: detach lo:ingress b = revision 1 []\n"},
		{
			name: "changed by a call elsewhere", trace: lo + "detach lo:ingress a = revision 1 []\n",
			env:  elsewhere{detach: detachInStarted},
			want: "lo:ingress unchanged by an untouched hook: = revision 2 [b]",
		},
		{
			name: "not asked what is seen elsewhere", trace: lo + "exit q\ndetach lo:ingress a = revision 1 []\n",
			env: elsewhere{detach: func(e *elsewhere) error { return nil }},
		},
		{
			name:  "changed by its device's move",
			trace: "netns blue\nprocess q netns=blue\nattach nk0:primary a = revision 2 [a]\nmove nk0 blue\n",
			env:   elsewhere{move: detachFirst},
			want:  "nk0:primary unchanged by an untouched hook: = revision 2 [a]",
		},
		{
			name: "a link's hook moves along",
			trace: "link l nk0:peer a = revision 2 [a@l]\nnetns blue\nmove nk0 blue\nprocess q netns=blue\n" +
				"link-update l b = revision 3 [b@l]\nexit q\nlink-detach l\n",
		},
		{name: "a hook ends with its peer's namespace", trace: away + "end blue\nquery nk0:primary ! ENODEV\n"},
		{
			name:  "a hook ends with the last process in its peer's namespace",
			trace: away + "process q netns=blue\nend blue\nquery nk0:primary = revision 2 [a]\nexit q\nquery nk0:primary ! ENODEV\n",
		},
		{
			name: "changed by a namespace's end", trace: away + "end blue\n", env: elsewhere{end: detachOther},
			want: "lo:ingress unchanged by an untouched hook: = revision 2 [a]",
		},
		{
			name: "changed by a namespace's end that is to come", trace: away + "process q netns=blue\nend blue\n",
			env:  elsewhere{end: func(e *elsewhere) error { return detachFirst(e, 3) }},
			want: "nk0:primary unchanged by an untouched hook: = revision 2 [a]",
		},
		{
			name:  "a process that may not query",
			trace: "netns blue\nprocess q netns=blue without=net_admin+sys_admin\nq: attach lo:ingress a\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.env.Kernel = fake.New()
			r := conformance.Run(&tc.env, scenario(t, tc.trace))
			if tc.want == "" {
				require.Equal(t, conformance.Passed, r.Status, "%v", r.Failure)
				return
			}
			require.Equal(t, conformance.Failed, r.Status)
			require.Contains(t, r.Failure.String(), tc.want)
		})
	}
}
