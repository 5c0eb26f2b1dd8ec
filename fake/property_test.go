package fake

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/nkconform/nkconform/mprog"
)

// FuzzHook turns bytes into requests on one hook and checks after each what must
// hold whatever was asked: a refusal changes nothing; a success moves the
// revision by one and changes one entry, where the flags say; no program is
// there twice; 63 is the most.
func FuzzHook(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0})
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		seed := make([]byte, 600)
		for i := range seed {
			seed[i] = byte(rng.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, ops []byte) {
		s := fuzzStage(t)
		h := &s.k.net.devices[s.hook.Ifindex].netkit
		for len(ops) >= 4 {
			before := *h
			err := fuzzStep(s, ops)
			invariants(t, &before, h, err)
			ops = ops[4:]
		}
	})
}

// fuzzFlags are more often few than many.
var fuzzFlags = []mprog.Flags{0, 0, B, A, B | I, A | I, B | L, A | L, B | L | I, A | L | I, R, R | B, R | A, R | B | I, B | A, I, L, 1 << 7}

// fuzzPrograms is how many programs the requests choose from: few, so that they
// meet, yet enough to fill a hook that has 45 others.
const fuzzPrograms = 24

func fuzzStage(t testing.TB) *stage {
	s := newStage(t, mprog.NetkitPrimary)
	for range fuzzPrograms {
		if _, err := s.k.LoadProg(mprog.ProgSpec{}); err != nil {
			t.Fatal(err)
		}
	}
	s.put("*45")
	return s
}

// fuzzFD makes a byte the fd of a program, or one that may be a link's.
func fuzzFD(s *stage, b byte) uint32 {
	if b < 192 {
		return s.fds["q"] + 1 + uint32(b%fuzzPrograms)
	}
	return s.k.lastFD - uint32(b%16)
}

// fuzzStep makes a request of four bytes: command, program, flags, relative.
func fuzzStep(s *stage, op []byte) error {
	fd, flags, relative := fuzzFD(s, op[1]), fuzzFlags[int(op[2])%len(fuzzFlags)], fuzzFD(s, op[3])
	r := mprog.AttachRequest{
		TargetIfindex: s.hook.Ifindex, AttachType: s.hook.Type, AttachFD: fd, Flags: flags,
		ReplaceFD: relative, Relative: relative,
	}
	if flags&(B|A|I|L) == 0 || op[0] >= 128 {
		r.Relative = 0
	}
	switch op[0] % 8 {
	case 0, 1:
		return s.k.ProgAttach(r)
	case 2, 3:
		if r.Flags &^= R; op[1]%2 == 0 {
			r.AttachFD = 0
		}
		return s.k.ProgDetach(mprog.DetachRequest(r))
	case 4, 5:
		_, err := s.k.LinkCreate(mprog.LinkCreateRequest{
			TargetIfindex: s.hook.Ifindex, AttachType: s.hook.Type, ProgFD: fd, Flags: flags, Relative: r.Relative,
		})
		return err
	case 6:
		return s.k.LinkUpdate(mprog.LinkUpdateRequest{LinkFD: relative, NewProgFD: fd})
	}
	if kind(s.k, relative) == uint32(mprog.LinkObject) && op[1]%2 == 0 {
		return s.k.Close(relative)
	}
	return s.k.LinkDetach(mprog.LinkDetachRequest{LinkFD: relative})
}

func invariants(t *testing.T, before, after *hook, err error) {
	t.Helper()
	was, is := before.entries[:before.count], after.entries[:after.count]
	progs := map[*program]bool{}
	for _, e := range is {
		if e.prog == nil || progs[e.prog] {
			t.Fatalf("a program is missing or there twice: %v", is)
		}
		if progs[e.prog] = true; e.link != nil && (e.link.prog != e.prog || e.link.dev == nil) {
			t.Fatalf("%s disagrees with its entry", e.link.prog.name)
		}
	}
	for _, e := range after.entries[after.count:] {
		if e != (entry{}) {
			t.Fatal("an entry behind the last")
		}
	}
	changed := !slices.Equal(was, is)
	switch {
	case after.count > mprog.MaxPrograms:
		t.Fatalf("%d programs", after.count)
	case err != nil && (changed || after.revision != before.revision):
		t.Fatalf("refused (%v), yet changed", err)
	case changed && after.revision != before.revision+1, !changed && after.revision != before.revision:
		t.Fatalf("changed: %v, revision %d after %d", changed, after.revision, before.revision)
	case changed && !oneEdit(was, is):
		t.Fatalf("more than one entry changed: %v to %v", was, is)
	}
}

// oneEdit reports whether b is a with one entry added, removed or replaced.
func oneEdit(a, b []entry) bool {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	switch len(b) - len(a) {
	case 1:
		return slices.Equal(a[i:], b[i+1:])
	case -1:
		return slices.Equal(a[i+1:], b[i:])
	case 0:
		return slices.Equal(a[i+1:], b[i+1:])
	}
	return false
}

// Not all of the fuzzed requests are refused, and not all accepted.
func TestFuzzStepsMix(t *testing.T) {
	s := fuzzStage(t)
	rng := rand.New(rand.NewPCG(3, 4))
	accepted := 0
	const steps = 5000
	for range steps {
		op := []byte{byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32())}
		if fuzzStep(s, op) == nil {
			accepted++
		}
	}
	if accepted < steps/20 || accepted > steps*9/10 {
		t.Errorf("%d of %d requests accepted", accepted, steps)
	}
}

// Agents of one machine use one hook at the same time, each with fds of its own.
func TestConcurrent(t *testing.T) {
	const agents, rounds = 8, 300
	s := newStage(t, mprog.NetkitPeer)
	var wg sync.WaitGroup
	for range agents {
		wg.Go(func() {
			prog, err := s.k.LoadProg(mprog.ProgSpec{})
			check(t, err, 0, "")
			at := mprog.AttachRequest{TargetIfindex: s.hook.Ifindex, AttachType: s.hook.Type, AttachFD: prog, Flags: B}
			ids := make([]uint32, mprog.MaxPrograms)
			for range rounds {
				check(t, s.k.ProgAttach(at), 0, "")
				check(t, s.k.ProgDetach(mprog.DetachRequest{
					TargetIfindex: at.TargetIfindex, AttachType: at.AttachType, AttachFD: prog,
				}), 0, "")
				link, err := s.k.LinkCreate(mprog.LinkCreateRequest{
					TargetIfindex: at.TargetIfindex, AttachType: at.AttachType, ProgFD: prog,
				})
				check(t, err, 0, "")
				res, err := s.k.ProgQuery(mprog.QueryRequest{
					TargetIfindex: at.TargetIfindex, AttachType: at.AttachType, Count: mprog.MaxPrograms, ProgIDs: ids,
				})
				check(t, err, 0, "")
				if res.Count == 0 || res.Count > agents {
					t.Errorf("%d programs of %d agents", res.Count, agents)
				}
				check(t, s.k.Close(link), 0, "")
			}
			check(t, s.k.ProgAttach(at), 0, "")
		})
	}
	wg.Wait()
	h := &s.k.net.devices[s.nk1].netkit
	if want := uint64(1 + agents*(rounds*4+1)); h.count != agents || h.revision != want {
		t.Errorf("%d programs at revision %d, want %d at %d", h.count, h.revision, agents, want)
	}
}
