//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	ebpflink "github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/fake"
)

// recordVariable names the file to which the command writes a trace.
const recordVariable = "INTERCEPT_TEST_RECORD"

// What programs do is recorded as a trace that plays, and has what happened.
func TestRecordings(t *testing.T) {
	needNamespaces(t)
	for _, c := range []struct {
		name  string
		lines []string // in this order, among others
	}{
		{"upsert", []string{"netkit a0 nk0", "link l1 a0:ingress v1", "link-update l1 v2", "close l1 "}},
		{"elsewhere", []string{"netkit a0 nk0", "link l1 a0:ingress v1", "move nk0 ns1", "delete a0", "link-update l1 v2 ", "! ENOLINK"}},
		{"ends", []string{"move nk0 ns1", "process in-ns1 netns=ns1", "in-ns1: link l2 lo:ingress ", "in-ns1: link l3 lo:ingress ",
			"in-ns1: close l3 ", "exit in-ns1", "end ns1", "link l4 lo:ingress v4"}},
		{"inside", []string{"netkit a0 nk0", "move a0 ns1", "move nk0 ns1", "process in-ns1 netns=ns1", "in-ns1: link l1 a0:ingress ",
			"in-ns1: link-update l1 ", "in-ns1: attach a0:ingress ", "flags=before", "in-ns1: detach a0:ingress ", "in-ns1: close l1 "}},
		{"again", []string{"netkit a0 nk0", "delete a0", "netkit a0x2 nk0x2", "delete a0x2", "netkit a0x3 nk0x3"}},
		{"renamed", []string{"netkit a0 nk0", "link l1 a0:ingress v1", "link-update l1 v2"}},
		{"byid", []string{"link l1 lo:ingress v1", "attach lo:ingress v2", "flags=before", "detach lo:ingress v2", "prog-fd v1x2 v1", "close v1x2"}},
		{"tc", []string{"qdisc a0 clsact", "filter a0:ingress ", "filter-delete a0:ingress", "qdisc-delete a0 clsact"}},
		{"bpftool", []string{"link l1 lo:ingress v1", "prog-fd v1x2 v1", "link-detach l1 "}},
		{"veth", []string{"device v0", "link l1 v0:ingress v1", "delete v0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "recorded.trace")
			self, err := os.Executable()
			require.NoError(t, err)
			run := command(t, "bare", "sh", "-e", "testdata/recordings.sh", c.name)
			run.Env = append(run.Env, targetVariable+"=agent", "AGENT="+self, recordVariable+"="+file)
			out, err := run.CombinedOutput()
			skipUnavailable(t, string(out))
			var exit *exec.ExitError
			if errors.As(err, &exit) && exit.ExitCode() == 77 {
				t.Skipf("%s", out)
			}
			require.NoError(t, err, "%s", out)
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			rest := string(text)
			for _, line := range c.lines {
				at := strings.Index(rest, line)
				require.GreaterOrEqual(t, at, 0, "no %q here in\n%s\n%s", line, text, out)
				rest = rest[at+len(line):]
			}
			require.NotContains(t, string(text), "cannot be said")
			scenario, err := conformance.Parse(c.name, string(text))
			require.NoError(t, err, "%s", text)
			played := conformance.Run(fake.New(fake.Lacking(scenario.Trace)...), scenario)
			require.Equal(t, conformance.Passed, played.Status, "%v\n%s", played.Failure, text)
		})
	}
}

// recordTo has the command write a trace.
func recordTo(file string) (*bytes.Buffer, func() error) {
	recorded := new(bytes.Buffer)
	return recorded, func() error {
		if recorded.Len() == 0 { // an ordinary user's program runs within another one of these, which has recorded it
			return nil
		}
		return os.WriteFile(file, recorded.Bytes(), 0o600)
	}
}

// agentTarget is an agent; what it does is in its arguments.
func agentTarget() error {
	args := append(os.Args[1:], "", "")
	load := func() (*ebpf.Program, error) {
		return ebpf.NewProgram(&ebpf.ProgramSpec{Name: args[1], Type: ebpf.SchedCLS, License: "GPL",
			Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, -1), asm.Return()}})
	}
	if args[0] == "list" {
		return listPrograms(args[1])
	}
	prog, err := load()
	if err != nil {
		return err
	}
	if args[0] == "pin" {
		return prog.Pin(args[2])
	}
	device, err := net.InterfaceByName(args[2])
	if err != nil && args[0] != "upsert" {
		return err
	}
	switch args[0] {
	case "upsert":
		return upsert(prog, device, args[3])
	case "once":
		l, err := ebpflink.AttachTCX(ebpflink.TCXOptions{Interface: device.Index, Program: prog, Attach: ebpf.AttachTCXIngress})
		if err != nil {
			return err
		}
		return l.Close()
	case "before":
		attach := ebpflink.RawAttachProgramOptions{Target: device.Index, Program: prog, Attach: ebpf.AttachTCXIngress, Anchor: ebpflink.Head()}
		if err := ebpflink.RawAttachProgram(attach); err != nil {
			return err
		}
		return ebpflink.RawDetachProgram(ebpflink.RawDetachProgramOptions{Target: device.Index, Program: prog, Attach: ebpf.AttachTCXIngress})
	}
	return fmt.Errorf("what is %q", args)
}

// upsert updates a pinned link, or makes one.
func upsert(prog *ebpf.Program, device *net.Interface, pin string) error {
	l, err := ebpflink.LoadPinnedLink(pin, nil)
	if err == nil {
		return l.Update(prog)
	}
	if device == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if l, err = ebpflink.AttachTCX(ebpflink.TCXOptions{Interface: device.Index, Program: prog, Attach: ebpf.AttachTCXIngress}); err != nil {
		return err
	}
	return l.Pin(pin)
}

// listPrograms opens what is attached.
func listPrograms(device string) error {
	found, err := net.InterfaceByName(device)
	if err != nil {
		return err
	}
	list, err := ebpflink.QueryPrograms(ebpflink.QueryOptions{Target: found.Index, Attach: ebpf.AttachTCXIngress})
	if err != nil {
		return err
	}
	for _, p := range list.Programs {
		prog, err := ebpf.NewProgramFromID(p.ID)
		if err != nil {
			return err
		}
		if err := prog.Close(); err != nil {
			return err
		}
	}
	return nil
}

func init() { targets["agent"] = check(agentTarget) }
