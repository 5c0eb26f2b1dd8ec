package fake

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nkconform/nkconform/mprog"
)

func TestQuery(t *testing.T) {
	const unwritten = 77
	for _, c := range []struct {
		name    string
		list    string
		count   uint32
		noProgs bool
		noLinks bool
		progs   []string // names; the rest stays unwritten
		links   []string
		errno   mprog.Errno
		rule    mprog.Rule
	}{
		{name: "empty", count: 2},
		{name: "all", list: "a b@l", count: 2, progs: []string{"a", "b"}, links: []string{"", "l"}},
		{name: "room to spare", list: "a", count: 2, progs: []string{"a"}, links: []string{""}},
		{name: "no link_ids", list: "a b@l", count: 2, noLinks: true, progs: []string{"a", "b"}},
		{name: "no prog_ids", list: "a b@l", count: 2, noProgs: true},
		{name: "count 0", list: "a b@l"},
		{name: "too short", list: "a b@l c", count: 2, progs: []string{"a", "b"}, links: []string{"", "l"},
			errno: mprog.ENOSPC, rule: "query/no-space"},
		{name: "too short without prog_ids", list: "a b@l c", count: 2, noProgs: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, at := range hooks {
				s := newStage(t, at)
				s.put(c.list)
				n := uint64(len(strings.Fields(c.list)))
				progs, links := []uint32{unwritten, unwritten}, []uint32{unwritten, unwritten}
				r := mprog.QueryRequest{
					TargetIfindex: s.hook.Ifindex, AttachType: at, Count: c.count, ProgIDs: progs, LinkIDs: links,
				}
				if c.noProgs {
					r.ProgIDs = nil
				}
				if c.noLinks {
					r.LinkIDs = nil
				}
				res, err := s.k.ProgQuery(r)
				check(t, err, c.errno, c.rule)
				if want := (mprog.QueryResult{Count: uint32(n), Revision: n + 1}); res != want {
					t.Errorf("%s: %+v, want %+v", at, res, want)
				}
				for i := range 2 {
					wantProg, wantLink := uint32(unwritten), uint32(unwritten)
					if i < len(c.progs) {
						wantProg = s.ids[c.progs[i]]
					}
					if i < len(c.links) {
						wantLink = s.ids[c.links[i]] // 0 for none
					}
					if progs[i] != wantProg || links[i] != wantLink {
						t.Errorf("%s: entry %d: program %d link %d, want %d and %d", at, i, progs[i], links[i], wantProg, wantLink)
					}
				}
			}
		})
	}
}

func TestQueryRefused(t *testing.T) {
	s := newStage(t, mprog.NetkitPrimary)
	s.put("a b@l")
	ids := make([]uint32, 1)
	for _, c := range []struct {
		name  string
		r     mprog.QueryRequest
		errno mprog.Errno
		rule  mprog.Rule
	}{
		{"no device", mprog.QueryRequest{TargetIfindex: 99, AttachType: mprog.NetkitPrimary}, mprog.ENODEV, "device/none"},
		{"no device on tcx", mprog.QueryRequest{TargetIfindex: 99, AttachType: mprog.TCXEgress}, mprog.ENODEV, "device/none"},
		{"veth", mprog.QueryRequest{TargetIfindex: s.veth, AttachType: mprog.NetkitPeer}, mprog.ENXIO, "device/not-netkit"},
		{"peer's ifindex", mprog.QueryRequest{TargetIfindex: s.nk1, AttachType: mprog.NetkitPeer}, mprog.EACCES, "device/peer-ifindex"},
		{"attach type", mprog.QueryRequest{TargetIfindex: 99, AttachType: 999}, mprog.EINVAL, "attach-type/unknown"},
		{"attach type of cgroups", mprog.QueryRequest{TargetIfindex: s.hook.Ifindex}, mprog.EBADF, "attach-type/cgroup"},
		{"query_flags before attach type", mprog.QueryRequest{AttachType: 999, QueryFlags: 2}, mprog.EINVAL, "query/flags"},
		{"query_flags before device", mprog.QueryRequest{TargetIfindex: 99, AttachType: mprog.NetkitPrimary, QueryFlags: 2}, mprog.EINVAL, "query/flags"},
		{"device before effective", mprog.QueryRequest{TargetIfindex: 99, AttachType: mprog.NetkitPrimary, QueryFlags: 1}, mprog.ENODEV, "device/none"},
		{"effective", mprog.QueryRequest{TargetIfindex: s.hook.Ifindex, AttachType: mprog.NetkitPrimary, QueryFlags: 1}, mprog.EINVAL, "query/flags"},
		{"effective on an empty hook", mprog.QueryRequest{TargetIfindex: s.hook.Ifindex, AttachType: mprog.TCXIngress, QueryFlags: 1}, mprog.EINVAL, "query/flags"},
		{"device before attach_flags", mprog.QueryRequest{TargetIfindex: 99, AttachType: mprog.NetkitPrimary, AttachFlags: 1}, mprog.ENODEV, "device/none"},
		{"attach_flags", mprog.QueryRequest{TargetIfindex: s.hook.Ifindex, AttachType: mprog.NetkitPrimary, AttachFlags: 8}, mprog.EINVAL, "query/flags"},
		{"prog_ids shorter than count", mprog.QueryRequest{TargetIfindex: s.hook.Ifindex, AttachType: mprog.NetkitPrimary, Count: 2, ProgIDs: ids}, mprog.EFAULT, "query/address"},
		{"link_ids shorter than count", mprog.QueryRequest{TargetIfindex: s.hook.Ifindex, AttachType: mprog.NetkitPrimary, Count: 2, ProgIDs: make([]uint32, 2), LinkIDs: ids}, mprog.EFAULT, "query/address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := s.k.ProgQuery(c.r)
			check(t, err, c.errno, c.rule)
		})
	}
	if _, err := s.k.ProgQuery(mprog.QueryRequest{AttachType: 17}); !errors.Is(err, mprog.ErrUnsupported) {
		t.Error(err)
	}
	s.k.caps = 0
	_, err := s.k.ProgQuery(mprog.QueryRequest{AttachType: 999, QueryFlags: 2})
	check(t, err, mprog.EPERM, "capability/net-admin")
	s.k.caps = capSysAdmin // enough for everything
	_, err = s.k.ProgQuery(mprog.QueryRequest{TargetIfindex: s.hook.Ifindex, AttachType: mprog.NetkitPrimary})
	check(t, err, 0, "")
}

// Attach flags are 0 for each entry that is written; the rest of an array stays as
// it is.
func TestQueryAttachFlags(t *testing.T) {
	const unwritten = 77
	for _, c := range []struct {
		name    string
		list    string
		count   uint32
		noProgs bool
		written int
		errno   mprog.Errno
		rule    mprog.Rule
	}{
		{name: "empty", count: 3},
		{name: "room to spare", list: "a b@l", count: 3, written: 2},
		{name: "exact", list: "a@l b c@m", count: 3, written: 3},
		{name: "too short", list: "a@l b c@m", count: 2, written: 2, errno: mprog.ENOSPC, rule: "query/no-space"},
		{name: "count 0", list: "a b@l"},
		{name: "no prog_ids", list: "a b@l", count: 3, noProgs: true},
	} {
		for _, given := range []struct{ progs, links bool }{{true, true}, {true, false}, {false, true}} {
			s := newStage(t, mprog.TCXIngress)
			s.put(c.list)
			r := mprog.QueryRequest{TargetIfindex: s.hook.Ifindex, AttachType: s.hook.Type, Count: c.count}
			if !c.noProgs {
				r.ProgIDs = make([]uint32, 3)
			}
			if given.progs {
				r.ProgAttachFlags = []uint32{unwritten, unwritten, unwritten}
			}
			if given.links {
				r.LinkAttachFlags = []uint32{unwritten, unwritten, unwritten}
			}
			_, err := s.k.ProgQuery(r)
			check(t, err, c.errno, c.rule)
			for _, flags := range [][]uint32{r.ProgAttachFlags, r.LinkAttachFlags} {
				for i, f := range flags {
					if want := map[bool]uint32{true: 0, false: unwritten}[i < c.written]; f != want {
						t.Errorf("%s, %+v: %d", c.name, given, flags)
						break
					}
				}
			}
		}
	}
}

// Each array that ends too early ends the writing where a kernel is when it gets
// there, as query/address/partly-written shows it.
func TestQueryPartlyWritten(t *testing.T) {
	for _, c := range []struct {
		short int // which array has room for one entry
		want  [4][]uint32
	}{
		{0, [4][]uint32{{1}, {0, 7}, {1, 7}, {0, 7}}},
		{1, [4][]uint32{{1, 2}, {0}, {1, 7}, {0, 7}}},
		{2, [4][]uint32{{1, 2}, {0, 0}, {1}, {0, 7}}},
		{3, [4][]uint32{{1, 2}, {0, 0}, {1, 0}, {0}}},
	} {
		k := New()
		a, _ := k.LoadProg(mprog.ProgSpec{Name: "a"})
		b, _ := k.LoadProg(mprog.ProgSpec{Name: "b"})
		_, err := k.LinkCreate(mprog.LinkCreateRequest{ProgFD: a, TargetIfindex: 1, AttachType: mprog.TCXEgress})
		check(t, err, 0, "")
		check(t, k.ProgAttach(mprog.AttachRequest{AttachFD: b, TargetIfindex: 1, AttachType: mprog.TCXEgress}), 0, "")
		var arrays [4][]uint32
		for i := range arrays {
			arrays[i] = []uint32{7, 7}
		}
		arrays[c.short] = arrays[c.short][:1]
		res, err := k.ProgQuery(mprog.QueryRequest{
			TargetIfindex: 1, AttachType: mprog.TCXEgress, Count: 2, ProgIDs: arrays[0],
			ProgAttachFlags: arrays[1], LinkIDs: arrays[2], LinkAttachFlags: arrays[3],
		})
		check(t, err, mprog.EFAULT, "query/address")
		if (res != mprog.QueryResult{Revision: 3, Count: 2}) {
			t.Errorf("array %d: %+v", c.short, res)
		}
		for i := range arrays {
			if !slices.Equal(arrays[i], c.want[i]) {
				t.Errorf("array %d is short, array %d: %d, want %d", c.short, i, arrays[i], c.want[i])
			}
		}
	}
}
