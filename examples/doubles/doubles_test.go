// Package doubles compiles and runs what docs/test-doubles.md shows.
package doubles

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/api/libbpf"
	"github.com/nkconform/nkconform/api/link"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

func TestStart(t *testing.T) {
	k := fake.NewT(t)
	require.Contains(t, k.Release(), fake.Newest.String())
}

// attachAgent is the code under test.
func attachAgent(k mprog.Kernel, ifindex uint32, prog *link.Program) error {
	l, err := link.AttachNetkit(k, link.NetkitOptions{
		Interface: int(ifindex), Program: prog, Attach: ebpf.AttachNetkitPrimary,
	})
	if err != nil {
		return err
	}
	return errors.Join(l.Pin("/sys/fs/bpf/agent"), l.Close())
}

func TestAgent(t *testing.T) {
	k := fake.NewT(t, fake.Allow(fake.LeakedPins))
	nk0, _, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"})
	require.NoError(t, err)
	prog, err := link.NewProgram(k, mprog.ProgSpec{Name: "mine"})
	require.NoError(t, err)
	defer prog.Close()

	require.NoError(t, attachAgent(k, nk0, prog))
	require.Equal(t, "revision 2 [mine@l1]", k.Hook(nk0, mprog.NetkitPrimary).String())
}

// stage is what the functions below start from.
func stage(t *testing.T, opts ...fake.Option) (*fake.Kernel, uint32, *link.Program) {
	t.Helper()
	k := fake.NewT(t, append(opts, fake.Allow(fake.LeakedFDs, fake.LeakedLinks, fake.LeakedPins))...)
	nk0, _, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"})
	require.NoError(t, err)
	prog, err := link.NewProgram(k, mprog.ProgSpec{Name: "mine"})
	require.NoError(t, err)
	return k, nk0, prog
}

func TestLink(t *testing.T) {
	k, nk0, prog := stage(t)
	l, err := link.AttachNetkit(k, link.NetkitOptions{
		Interface: int(nk0), Program: prog, Attach: ebpf.AttachNetkitPrimary, Anchor: link.Head(),
	})
	require.NoError(t, err)
	require.NoError(t, l.Update(prog))
}

func TestLibbpf(t *testing.T) {
	k, nk0, prog := stage(t)
	p := &libbpf.Program{Name: "mine", FD: prog.FD(), ExpectedAttachType: mprog.NetkitPrimary}
	l, err := libbpf.AttachNetkit(k, p, int(nk0), libbpf.Opts(libbpf.NetkitOpts{Flags: mprog.Before}))
	require.NoError(t, err)
	require.NoError(t, l.Destroy())
}

func TestRaw(t *testing.T) {
	k, nk0, prog := stage(t)
	err := k.ProgAttach(mprog.AttachRequest{
		TargetIfindex: nk0, AttachType: mprog.NetkitPrimary, AttachFD: uint32(prog.FD()),
	})
	require.NoError(t, err)
}

func TestVersions(t *testing.T) {
	old := fake.NewT(t, fake.Linux("6.6"))
	require.ErrorIs(t, old.Supports(mprog.FeatureNetkit), mprog.ErrUnsupported)
	slim := fake.NewT(t, fake.Without(mprog.FeatureNetkit))
	require.ErrorIs(t, slim.Supports(mprog.FeatureNetkit), mprog.ErrUnsupported)

	for _, release := range []string{"6.6", "6.12", "6.18", "7.3"} {
		t.Run(release, func(t *testing.T) {
			k := fake.NewT(t, fake.Linux(release))
			require.NoError(t, k.Supports(mprog.FeatureTCX))
		})
	}
}

func TestProcesses(t *testing.T) {
	k, nk0, _ := stage(t)
	p, err := k.NewProcess(mprog.ProcessSpec{Without: []mprog.Capability{mprog.CapNetAdmin, mprog.CapSysAdmin}})
	require.NoError(t, err)
	_, err = p.ProgQuery(mprog.QueryRequest{TargetIfindex: nk0, AttachType: mprog.NetkitPrimary})
	require.ErrorIs(t, err, mprog.EPERM)
	require.NoError(t, p.Exit()) // its fds are closed, and what only they held is gone
}

func TestErrors(t *testing.T) {
	k, nk0, prog := stage(t)
	_, err := link.AttachNetkit(k, link.NetkitOptions{
		Interface: int(nk0), Program: prog, Attach: ebpf.AttachNetkitPrimary, ExpectedRevision: 7,
	})
	require.ErrorIs(t, err, syscall.ESTALE) // on macOS and Windows, too
	require.EqualError(t, err, "attach netkit link: link create: expected revision 7, hook is at 1: ESTALE")
	var refusal *mprog.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, mprog.Rule("revision/stale"), refusal.Rule)
}

func TestFailures(t *testing.T) {
	k, nk0, prog := stage(t)
	stop := k.Before(fake.Match{Op: mprog.OpObjPin, Nth: 1}, fake.Fail(mprog.ENOSPC))
	require.ErrorIs(t, attachAgent(k, nk0, prog), syscall.ENOSPC)
	stop()
	require.NoError(t, attachAgent(k, nk0, prog))
}

func TestLostAnswer(t *testing.T) {
	k, nk0, prog := stage(t)
	k.After(fake.Match{Op: mprog.OpLinkCreate, Nth: 1}, fake.Fail(mprog.EINTR))
	require.ErrorIs(t, attachAgent(k, nk0, prog), mprog.EINTR)
	require.Equal(t, "revision 2 [mine@l1]", k.Hook(nk0, mprog.NetkitPrimary).String()) // attached all the same
}

func TestRivals(t *testing.T) {
	k, nk0, prog := stage(t)
	k.Before(fake.Match{Op: mprog.OpObjPin, Nth: 1}, fake.Rival(func(k *fake.Kernel) {
		require.NoError(t, k.DeleteDevice(nk0)) // in the worst moment
	}))
	require.NoError(t, attachAgent(k, nk0, prog)) // which the agent does not notice
}

func TestGates(t *testing.T) {
	k, nk0, prog := stage(t)
	gate := fake.NewGate()
	k.Before(fake.Match{Op: mprog.OpObjPin, Nth: 1}, gate.Hold)
	done := make(chan error)
	go func() { done <- attachAgent(k, nk0, prog) }()
	<-gate.Held() // the agent has attached, and is about to pin
	require.Equal(t, "revision 2 [mine@l1]", k.Hook(nk0, mprog.NetkitPrimary).String())
	gate.Open()
	require.NoError(t, <-done)
}

func TestStates(t *testing.T) {
	k, nk0, prog := stage(t)
	require.NoError(t, attachAgent(k, nk0, prog))
	before := k.Hook(nk0, mprog.NetkitPrimary)
	require.Error(t, attachAgent(k, nk0, prog))
	require.Equal(t, before, k.Hook(nk0, mprog.NetkitPrimary)) // a refusal changes nothing
}

func TestTraces(t *testing.T) {
	k, nk0, prog := stage(t)
	require.NoError(t, attachAgent(k, nk0, prog))
	file := filepath.Join(t.TempDir(), "agent.trace")
	require.NoError(t, os.WriteFile(file, []byte(k.Trace().String()), 0o666))
	require.Contains(t, k.Trace().String(), "revision 2 [mine@l1]")
}

// Every block of Go in the document is a part of this file or of examples/cni, but
// for indentation.
func TestDocument(t *testing.T) {
	doc, err := os.ReadFile("../../docs/test-doubles.md")
	require.NoError(t, err)
	var source []byte
	for _, file := range []string{"doubles_test.go", "../cni/cni_test.go", "../cni/main_test.go"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		source = append(source, text...)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(doc), -1)
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		if !strings.Contains(flat(string(source)), flat(block[1])) {
			t.Errorf("not compiled here:\n%s", block[1])
		}
	}
}

// flat takes indentation and empty lines away.
func flat(s string) string {
	var out strings.Builder
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}
