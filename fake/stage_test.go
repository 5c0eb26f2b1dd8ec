package fake

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/nkconform/nkconform/mprog"
)

const (
	capNetAdmin capabilities = 1 << mprog.CapNetAdmin
	capSysAdmin capabilities = 1 << mprog.CapSysAdmin
)

// Flags as the tables write them.
const (
	R = mprog.Replace
	B = mprog.Before
	A = mprog.After
	I = mprog.ID
	L = mprog.Link
)

// stage is a machine with a netkit pair nk0-nk1, a veth pair v0-v1, and the
// program q of another type. Programs and links are named; the fd of a link is
// never that of a program, so they share one name space.
type stage struct {
	t    testing.TB
	k    *Kernel
	hook mprog.Hook // under test
	nk1  uint32
	veth uint32
	fds  map[string]uint32
	ids  map[string]uint32
}

// hooks are the hooks that the common rules are tested on.
var hooks = []mprog.AttachType{mprog.NetkitPrimary, mprog.NetkitPeer, mprog.TCXIngress, mprog.TCXEgress}

func newStage(t testing.TB, at mprog.AttachType, opts ...Option) *stage {
	t.Helper()
	s := &stage{t: t, k: New(opts...), fds: map[string]uint32{}, ids: map[string]uint32{}}
	s.hook.Type = at
	var err error
	if s.hook.Ifindex, s.nk1, err = s.k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"}); err != nil {
		t.Fatal(err)
	}
	if s.veth, _, err = s.k.AddDevice(mprog.DeviceSpec{Kind: mprog.Veth, Name: "v0", Peer: "v1"}); err != nil {
		t.Fatal(err)
	}
	s.prog("q", mprog.SocketFilter)
	return s
}

func (s *stage) prog(name string, typ mprog.ProgType) {
	s.t.Helper()
	fd, err := s.k.LoadProg(mprog.ProgSpec{Type: typ, Name: name})
	if err != nil {
		s.t.Fatal(err)
	}
	s.name(name, fd)
}

// name gives the object behind fd a name.
func (s *stage) name(name string, fd uint32) {
	s.t.Helper()
	info, err := s.k.ObjectInfo(fd)
	if err != nil {
		s.t.Fatal(err)
	}
	s.fds[name], s.ids[name] = fd, info.ID
}

// ref turns what a table says of an fd or id into a number: "" is 0, a name is
// the object's fd, "id:" with a name its id. A program not yet there is loaded.
func (s *stage) ref(word string) uint32 {
	s.t.Helper()
	if n, err := strconv.ParseUint(word, 10, 32); err == nil || word == "" {
		return uint32(n)
	}
	name, isID := strings.CutPrefix(word, "id:")
	if _, ok := s.fds[name]; !ok {
		s.prog(name, mprog.SchedCLS)
	}
	if isID {
		return s.ids[name]
	}
	return s.fds[name]
}

// put attaches a list to the hook under test, such as "a b@l": program a, then b
// through link l. "*62" are 62 unnamed programs.
func (s *stage) put(list string) {
	s.t.Helper()
	for word := range strings.FieldsSeq(list) {
		if n, ok := strings.CutPrefix(word, "*"); ok {
			count, _ := strconv.Atoi(n)
			for i := range count {
				s.put(fmt.Sprintf("n%d", i))
			}
			continue
		}
		prog, link, owned := strings.Cut(word, "@")
		var err error
		if owned {
			_, err = s.link(link, prog, 0, "")
		} else {
			err = s.k.ProgAttach(s.attach(prog, 0, "", "", 0))
		}
		if err != nil {
			s.t.Fatal(word, err)
		}
	}
}

func (s *stage) attach(prog string, flags mprog.Flags, relative, old string, revision uint64) mprog.AttachRequest {
	s.t.Helper()
	return mprog.AttachRequest{
		TargetIfindex: s.hook.Ifindex, AttachType: s.hook.Type, AttachFD: s.ref(prog), Flags: flags,
		Relative: s.ref(relative), ReplaceFD: s.ref(old), ExpectedRevision: revision,
	}
}

// link creates a link and names it.
func (s *stage) link(name, prog string, flags mprog.Flags, relative string) (uint32, error) {
	s.t.Helper()
	fd, err := s.k.LinkCreate(mprog.LinkCreateRequest{
		TargetIfindex: s.hook.Ifindex, AttachType: s.hook.Type, ProgFD: s.ref(prog), Flags: flags,
		Relative: s.ref(relative),
	})
	if err == nil {
		s.name(name, fd)
	}
	return fd, err
}

// list returns the hook's list as put takes it, and its revision.
func (s *stage) list() (string, uint64) {
	s.t.Helper()
	progs, links := make([]uint32, mprog.MaxPrograms), make([]uint32, mprog.MaxPrograms)
	res, err := s.k.ProgQuery(mprog.QueryRequest{
		TargetIfindex: s.hook.Ifindex, AttachType: s.hook.Type,
		Count: mprog.MaxPrograms, ProgIDs: progs, LinkIDs: links,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	names := map[[2]uint32]string{}
	for name, fd := range s.fds {
		names[[2]uint32{kind(s.k, fd), s.ids[name]}] = name
	}
	var words []string
	for i := range res.Count {
		word := names[[2]uint32{uint32(mprog.ProgObject), progs[i]}]
		if links[i] != 0 {
			word += "@" + names[[2]uint32{uint32(mprog.LinkObject), links[i]}]
		}
		words = append(words, word)
	}
	return strings.Join(words, " "), res.Revision
}

// kind tells what fd is; a closed one is nothing.
func kind(k *Kernel, fd uint32) uint32 {
	info, _ := k.ObjectInfo(fd)
	return uint32(info.Kind)
}

// check compares a refusal with the errno and rule that the reference demands;
// rule "" is success.
func (s *stage) check(err error, errno mprog.Errno, rule mprog.Rule) {
	s.t.Helper()
	check(s.t, err, errno, rule)
}

func check(t testing.TB, err error, errno mprog.Errno, rule mprog.Rule) {
	t.Helper()
	if rule == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	var e *mprog.Error
	if !errors.As(err, &e) {
		t.Errorf("got %v, want %s by rule %s", err, errno, rule)
		return
	}
	if e.Errno != errno || e.Rule != rule {
		t.Errorf("got %s by rule %s (%v), want %s by rule %s", e.Errno, e.Rule, e, errno, rule)
	}
	if e.Op == "" || e.Detail == "" {
		t.Errorf("refusal without operation or reason: %#v", e)
	}
}
