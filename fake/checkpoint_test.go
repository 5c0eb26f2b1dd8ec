package fake_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/nkconform/nkconform/conformance/lockstep"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// A kernel that is saved, laid waste and restored before every call answers like one
// that nothing happened to.
func TestRestore(t *testing.T) {
	undisturbed := lockstep.Backend{Name: "fake", New: func() (mprog.Environment, error) { return fake.New(), nil }}
	disturbed := lockstep.Backend{Name: "restored", New: func() (mprog.Environment, error) {
		k, c := fake.New(), new(fake.Checkpoint)
		k.Before(fake.Match{}, func(call *fake.Call) error {
			before := k.Hash()
			k.Save(c)
			_, _ = call.Process.AsRival().Perform(call.Op, call.Request)
			_ = fake.Rival(layWaste)(call)
			k.Restore(c)
			if k.Hash() != before {
				return errors.New("restored to another hash")
			}
			return nil
		})
		return k, nil
	}}
	tester, err := lockstep.New(undisturbed, disturbed)
	if err != nil {
		t.Fatal(err)
	}
	sequences := uint64(15)
	if testing.Short() {
		sequences = 5
	}
	for n := range sequences {
		finding, err := tester.Random(1, n, 60)
		if err != nil {
			t.Fatal(err)
		}
		if finding != nil {
			t.Fatalf("sequence %d: %+v\n%s", n, finding.Difference, finding.Trace())
		}
	}
	if err := tester.Close(); err != nil {
		t.Fatal(err)
	}
}

// layWaste changes whatever can be changed.
func layWaste(k *fake.Kernel) {
	for n := range uint32(20) {
		_ = k.QdiscDelete(mprog.QdiscRequest{Ifindex: n})
		_ = k.ProgDetach(mprog.DetachRequest{TargetIfindex: n, AttachType: mprog.TCXIngress})
		_ = k.LinkDetach(mprog.LinkDetachRequest{LinkFD: n})
		_ = k.Unlink(fmt.Sprintf("%s/p%d", mprog.BPFFS, n))
		_ = k.DeleteDevice(n)
		_ = k.Close(n)
	}
	_, _, _ = k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "waste0", Peer: "waste1"})
	prog, _ := k.LoadProg(mprog.ProgSpec{Name: "waste"})
	_ = k.ObjPin(mprog.PinRequest{Path: mprog.BPFFS + "/waste", FD: prog})
	if child, err := k.NewProcess(mprog.ProcessSpec{}); err == nil {
		_ = child.(*fake.Process).AsRival().Exit()
	}
	_, _ = k.NewNetns()
}

// Machines that have come to the same hash by different ways answer alike.
func TestHash(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	ways := map[uint64][]int64{} // by hash: seeds of the calls that led there
	met, calls := 0, 0
	for range 1500 {
		way := make([]int64, 1+rng.IntN(7))
		for i := range way {
			way[i] = rng.Int64N(150)
		}
		k := small(t, way)
		other, known := ways[k.Hash()]
		if !known {
			ways[k.Hash()] = way
			continue
		}
		met++
		twin := small(t, other)
		for range 25 {
			calls++
			n := rng.Int64()
			if a, b := smallCall(k, n), smallCall(twin, n); a != b {
				t.Fatalf("ways %v and %v: %s, and %s", way, other, a, b)
			}
			if k.Hash() != twin.Hash() {
				t.Fatalf("ways %v and %v: the hashes differ after a call that both answer alike", way, other)
			}
		}
	}
	if met < 500 || len(ways) < 150 {
		t.Errorf("%d states, met by %d other ways: too few to tell", len(ways), met)
	}
	t.Logf("%d states, %d met again by another way, %d calls answered alike", len(ways), met, calls)
}

// small makes a machine with a pair, two programs and a second process, and calls.
func small(t *testing.T, way []int64) *fake.Kernel {
	k := fake.New()
	k.Netkit("nk0", "nk1")
	for range 2 {
		if _, err := k.LoadProg(mprog.ProgSpec{}); err != nil {
			t.Fatal(err)
		}
	}
	child, err := k.NewProcess(mprog.ProcessSpec{})
	if err != nil {
		t.Fatal(err)
	}
	child.(*fake.Process).OwnIDs(1 << 20)
	children[k] = child.(*fake.Process)
	for _, n := range way {
		smallCall(k, n)
	}
	return k
}

var children = map[*fake.Kernel]*fake.Process{}

// smallCall makes the call that a number stands for, and tells the answer.
func smallCall(k *fake.Kernel, n int64) string {
	rng := rand.New(rand.NewPCG(uint64(n), 3))
	p := k.Process
	if rng.IntN(3) == 0 {
		p = children[k]
	}
	fd := func() uint32 { return 3 + rng.Uint32N(2+rng.Uint32N(3)) }
	at := mprog.AttachRequest{TargetIfindex: 3, AttachType: []mprog.AttachType{mprog.NetkitPrimary, mprog.TCXIngress}[rng.IntN(4)/3], AttachFD: fd()}
	at.ExpectedRevision = uint64(max(0, rng.IntN(6)-2))
	path := fmt.Sprintf("%s/p%d", mprog.BPFFS, rng.IntN(2))
	var answer any
	var err error
	switch []int{0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10, 11, 12, 13}[rng.IntN(20)] {
	case 0:
		err = p.ProgAttach(at)
	case 1:
		err = p.ProgDetach(mprog.DetachRequest(at))
	case 2:
		answer, err = p.LinkCreate(mprog.LinkCreateRequest{TargetIfindex: at.TargetIfindex, AttachType: at.AttachType, ProgFD: at.AttachFD})
	case 3:
		err = p.LinkUpdate(mprog.LinkUpdateRequest{LinkFD: fd(), NewProgFD: fd()})
	case 4:
		err = p.LinkDetach(mprog.LinkDetachRequest{LinkFD: fd()})
	case 5:
		err = p.Close(fd())
	case 6:
		answer, err = p.Dup(fd())
	case 7:
		err = p.ObjPin(mprog.PinRequest{Path: path, FD: fd()})
	case 8:
		answer, err = p.ObjGet(mprog.GetRequest{Path: path})
	case 9:
		err = p.Unlink(path)
	case 10:
		answer, err = p.LinkNextID(mprog.IDRequest{ID: rng.Uint32N(3)})
	case 11:
		answer, err = p.ObjectInfo(fd())
	case 12:
		err = p.QdiscAdd(mprog.QdiscRequest{Ifindex: at.TargetIfindex, Kind: mprog.Clsact, Flags: mprog.NLCreate})
	case 13:
		err = k.DeleteDevice(2)
	}
	q := mprog.QueryRequest{TargetIfindex: at.TargetIfindex, AttachType: at.AttachType, Count: 8, ProgIDs: make([]uint32, 8), LinkIDs: make([]uint32, 8)}
	res, queried := p.ProgQuery(q)
	return fmt.Sprint(answer, err, res, q.ProgIDs, q.LinkIDs, queried)
}
