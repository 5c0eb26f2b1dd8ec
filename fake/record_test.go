package fake_test

import (
	"strings"
	"testing"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// A device that has the name of one before it has a name of its own in the trace, and
// so has one whose name is none of the language; a name that is why a device is
// refused cannot be said.
func TestRecordedDevices(t *testing.T) {
	netkit := func(name, peer string) mprog.DeviceSpec {
		return mprog.DeviceSpec{Kind: mprog.Netkit, Name: name, Peer: peer}
	}
	type made struct {
		spec    mprog.DeviceSpec
		refused mprog.Errno
		remains bool // it is not deleted before the next
		away    bool // it moves to another network namespace
	}
	for _, c := range []struct {
		name   string
		made   []made
		want   []string // statements
		unsaid int      // calls that cannot be said
	}{
		{
			"once", []made{{spec: netkit("nk0", "nk1")}},
			[]string{"netkit nk0 nk1", "attach nk0:primary a = revision 2 [a]"}, 0,
		},
		{
			"again", []made{{spec: netkit("nk0", "nk1")}, {spec: netkit("nk0", "nk1")}, {spec: netkit("nk1", "nk0")}},
			[]string{
				"netkit nk0_2 nk1_2", "attach nk0_2:primary a = revision 2 [a]", "query nk0_2:primary = revision 2 [a]",
				"delete nk0_2", "netkit nk1_3 nk0_3", "attach nk1_3:primary a = revision 2 [a]",
			}, 0,
		},
		{
			"as a program", []made{{spec: netkit("a", "lo2")}},
			[]string{"netkit a_2 lo2", "attach a_2:primary a = revision 2 [a]"}, 0,
		},
		{
			"no name", []made{{spec: netkit("eth0.1", "p@q")}},
			[]string{"netkit eth0_1 device", "attach eth0_1:primary a = revision 2 [a]"}, 0,
		},
		{"taken", []made{{spec: netkit("nk0", "nk1"), remains: true}, {spec: netkit("nk2", "nk1"), refused: mprog.EEXIST}}, []string{"# cannot be said: netkit nk2 nk1"}, 1},
		{"twice", []made{{spec: netkit("nk0", "nk0"), refused: mprog.EEXIST}}, []string{"# cannot be said: netkit nk0 nk0"}, 1},
		{
			"taken elsewhere", []made{{spec: netkit("nk0", "nk1"), remains: true, away: true}, {spec: netkit("nk0", "nk2"), away: true}},
			[]string{"netkit nk0_2 nk2"}, 1,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := fake.New(fake.Record())
			prog, err := k.LoadProg(mprog.ProgSpec{Name: "a"})
			if err != nil {
				t.Fatal(err)
			}
			blue, err := k.NewNetns()
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range c.made {
				ifindex, _, err := k.AddDevice(d.spec)
				if errno, _ := mprog.ErrnoOf(err); errno != d.refused {
					t.Fatalf("%v: %v", d.spec, err)
				}
				if err != nil {
					continue
				}
				at := mprog.AttachRequest{TargetIfindex: ifindex, AttachType: mprog.NetkitPrimary, AttachFD: prog}
				if err := k.ProgAttach(at); err != nil {
					t.Fatal(err)
				}
				q := mprog.QueryRequest{TargetIfindex: ifindex, AttachType: mprog.NetkitPrimary, Count: mprog.MaxPrograms + 1}
				q.ProgIDs, q.LinkIDs = make([]uint32, q.Count), make([]uint32, q.Count)
				if _, err := k.ProgQuery(q); err != nil {
					t.Fatal(err)
				}
				if d.away {
					_, _ = k.MoveDevice(ifindex, blue)
				}
				if !d.remains {
					_ = k.DeleteDevice(ifindex)
				}
			}
			text := k.Trace().String()
			plain := strings.Join(strings.Fields(text), " ")
			for _, want := range c.want {
				if !strings.Contains(plain, want) {
					t.Errorf("no %q", want)
				}
			}
			if n := strings.Count(text, "cannot be said"); n != c.unsaid {
				t.Errorf("%d calls cannot be said, want %d", n, c.unsaid)
			}
			f, err := trace.Parse("recorded", text)
			if err != nil {
				t.Fatal(err)
			}
			if r := conformance.Run(fake.New(), conformance.Scenario{Trace: f}); r.Status != conformance.Passed {
				t.Error(r.Failure)
			}
			if t.Failed() {
				t.Log(text)
			}
		})
	}
}
