package fake_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// testTB is a test that notes what it is told.
type testTB struct {
	name     string
	cleanups []func()
	errors   []string
	logs     []string
}

func (t *testTB) Helper()                      {}
func (t *testTB) Name() string                 { return t.name }
func (t *testTB) Cleanup(f func())             { t.cleanups = append(t.cleanups, f) }
func (t *testTB) Errorf(f string, args ...any) { t.errors = append(t.errors, fmt.Sprintf(f, args...)) }
func (t *testTB) Logf(f string, args ...any)   { t.logs = append(t.logs, fmt.Sprintf(f, args...)) }
func (t *testTB) Failed() bool                 { return len(t.errors) > 0 }
func (t *testTB) end() {
	for _, f := range slices.Backward(t.cleanups) {
		f()
	}
}

func TestLeaks(t *testing.T) {
	for _, c := range []struct {
		name  string
		leave func(k *fake.Kernel, prog, link uint32)
		allow []fake.Leak
		want  []string
	}{
		{"nothing", func(k *fake.Kernel, prog, link uint32) { k.Close(prog); k.Close(link) }, nil, nil},
		{"program", func(k *fake.Kernel, _, link uint32) { k.Close(link) }, nil, []string{"fd 3 of program a (id 1)"}},
		{"program allowed", func(k *fake.Kernel, _, link uint32) { k.Close(link) }, []fake.Leak{fake.LeakedFDs}, nil},
		{
			"link", func(k *fake.Kernel, prog, _ uint32) { k.Close(prog) },
			[]fake.Leak{fake.LeakedFDs, fake.LeakedPins}, []string{"fd 4 of link l1 (id 1), which keeps a attached"},
		},
		{
			"defunct link", func(k *fake.Kernel, prog, _ uint32) { k.Close(prog); k.DeleteDevice(2) },
			nil, []string{"fd 4 of link l1 (id 1), defunct"},
		},
		{
			"pin", func(k *fake.Kernel, prog, link uint32) {
				k.ObjPin(mprog.PinRequest{Path: mprog.BPFFS + "/l", FD: link})
				k.Close(prog)
				k.Close(link)
			},
			[]fake.Leak{fake.LeakedFDs, fake.LeakedLinks}, []string{"pin /sys/fs/bpf/l of link id 1"},
		},
		{
			"process", func(k *fake.Kernel, prog, link uint32) {
				if _, err := k.NewProcess(mprog.ProcessSpec{}); err != nil {
					t.Error(err)
				}
				k.Close(prog)
				k.Close(link)
			},
			nil, []string{"process 1: fd 3 of program a (id 1)", "process 1: fd 4 of link l1 (id 1), which keeps a attached"},
		},
		{"all allowed", func(*fake.Kernel, uint32, uint32) {}, []fake.Leak{fake.LeakedFDs, fake.LeakedLinks}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			tb := &testTB{name: "TestX"}
			k := fake.NewT(tb, fake.Allow(c.allow...))
			nk0, _, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"})
			if err != nil {
				t.Fatal(err)
			}
			prog, err := k.LoadProg(mprog.ProgSpec{Name: "a"})
			if err != nil {
				t.Fatal(err)
			}
			link, err := k.LinkCreate(mprog.LinkCreateRequest{TargetIfindex: nk0, AttachType: mprog.NetkitPrimary, ProgFD: prog})
			if err != nil {
				t.Fatal(err)
			}
			c.leave(k, prog, link)
			tb.end()
			for i, w := range c.want {
				c.want[i] = "left behind: " + w
			}
			if !slices.Equal(tb.errors, c.want) {
				t.Errorf("%q, want %q", tb.errors, c.want)
			}
			if printed := len(tb.logs) == 1 && strings.Contains(tb.logs[0], "link l1 nk0:primary a"); printed != (c.want != nil) {
				t.Errorf("printed %q", tb.logs)
			}
			if err := k.Close(0); !errors.Is(err, fs.ErrClosed) {
				t.Error(err)
			}
		})
	}
}

// Every machine writes its calls, under the name of its test.
func TestTraceDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	t.Setenv(fake.TraceDir, dir)
	tb := &testTB{name: "TestX/with spaces: & more"}
	for range 2 {
		fake.NewT(tb)
	}
	tb.end()
	k := fake.New()
	if err := k.Shutdown(); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, f.Name())
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := trace.Parse(f.Name(), string(text)); err != nil || len(text) == 0 {
			t.Errorf("%s: %v\n%s", f.Name(), err, text)
		}
	}
	if want := []string{"TestTraceDir.trace", "TestX_with_spaces____more-2.trace", "TestX_with_spaces____more.trace"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Where a trace cannot be written, shutting down fails.
func TestTraceDirMissing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(fake.TraceDir, file)
	if err := fake.New().Shutdown(); err == nil {
		t.Error("no error")
	}
}

// Two programs of one name are told apart.
func TestHookNames(t *testing.T) {
	k := fake.New()
	var fds []uint32
	for _, name := range []string{"a", "a", "", "l1", "very_long_name_", "very_long_name_"} {
		fd, err := k.LoadProg(mprog.ProgSpec{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, fd)
	}
	for i, fd := range fds {
		var err error
		if i%2 == 0 {
			err = k.ProgAttach(mprog.AttachRequest{TargetIfindex: 1, AttachType: mprog.TCXEgress, AttachFD: fd})
		} else {
			_, err = k.LinkCreate(mprog.LinkCreateRequest{TargetIfindex: 1, AttachType: mprog.TCXEgress, ProgFD: fd})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	const want = "revision 7 [a a_2@l1 p3 l1_2@l2 very_long_name_ very_long_nam_2@l3]"
	if got := k.Hook(1, mprog.TCXEgress).String(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := k.Hook(1, mprog.TCXIngress).String(); got != "revision 1 []" {
		t.Error(got)
	}
	if got := k.Hook(1, mprog.NetkitPeer).String(); got != "ENXIO" {
		t.Error(got)
	}
	if got := k.Hook(1, 999).String(); got != "EINVAL" {
		t.Error(got)
	}
}
