package fake

import (
	"testing"

	"github.com/nkconform/nkconform/mprog"
)

// shapeCases: size and junk, and the refusal, by command. Where a command is not
// refused the case says so with rule "".
type shapeCase struct {
	name  string
	shape mprog.Shape
	errno mprog.Errno
	rule  mprog.Rule
}

// newestAttr is sizeof(union bpf_attr) of Linux 7.3.
const newestAttr = 168

// longShapes are refused or accepted alike by every command.
var longShapes = []shapeCase{
	{"zero tail", mprog.Shape{Size: 72}, 0, ""},
	{"a page of zeros", mprog.Shape{Size: 4096}, 0, ""},
	{"more than a page", mprog.Shape{Size: 4097}, mprog.E2BIG, "attr/size"},
	{"much more", mprog.Shape{Size: 1 << 31}, mprog.E2BIG, "attr/size"},
	{"junk in the tail", mprog.Shape{Size: 72, Junk: 64}, mprog.EINVAL, "attr/tail"},
	{"junk at the end of the tail", mprog.Shape{Size: 72, Junk: 71}, mprog.EINVAL, "attr/tail"},
	{"junk behind size", mprog.Shape{Size: 72, Junk: 72}, 0, ""},
	{"junk in this kernel's last byte", mprog.Shape{Size: 4096, Junk: newestAttr - 1}, mprog.EINVAL, "attr/tail"},
	{"junk this kernel does not know", mprog.Shape{Size: 4096, Junk: newestAttr}, mprog.E2BIG, "attr/unknown"},
	{"junk at the end of the page", mprog.Shape{Size: 4096, Junk: 4095}, mprog.E2BIG, "attr/unknown"},
}

// shapeCommands are the commands, with what a valid request of each is.
var shapeCommands = []struct {
	name  string
	do    func(*stage, mprog.Shape) error
	cases []shapeCase
}{
	{"attach", func(s *stage, shape mprog.Shape) error {
		r := s.attach("x", 0, "", "", 0)
		r.Shape = shape
		return s.k.ProgAttach(r)
	}, []shapeCase{
		{"no flags", mprog.Shape{Size: 12}, 0, ""},
		{"half a field of zeros", mprog.Shape{Size: 14}, 0, ""},
		{"part of attach_type", mprog.Shape{Size: 9}, 0, ""}, // little endian
		{"no attach_type", mprog.Shape{Size: 8}, mprog.EINVAL, "cgroup/prog-type"},
		{"nothing but ifindex", mprog.Shape{Size: 4}, mprog.EINVAL, "prog/not-a-program"},
		{"junk in attach_bpf_fd", mprog.Shape{Junk: 7}, mprog.EBADF, "prog/bad-fd"},
		{"junk in target_ifindex", mprog.Shape{Junk: 2}, mprog.ENODEV, "device/none"},
		{"junk in flags", mprog.Shape{Junk: 14}, mprog.EINVAL, "flags/unknown"},
		{"junk in replace_bpf_fd", mprog.Shape{Junk: 16}, 0, ""},
		{"junk in relative_fd", mprog.Shape{Junk: 20}, mprog.EBADF, "relative/bad-fd"},
		{"junk in expected_revision", mprog.Shape{Junk: 31}, mprog.ESTALE, "revision/stale"},
		{"junk cut off", mprog.Shape{Size: 24, Junk: 24}, 0, ""},
		{"junk behind the last field", mprog.Shape{Size: 33, Junk: 32}, mprog.EINVAL, "attr/tail"},
	}},
	{"detach", func(s *stage, shape mprog.Shape) error {
		s.put("x")
		r := mprog.DetachRequest(s.attach("x", 0, "", "", 0))
		r.Shape = shape
		return s.k.ProgDetach(r)
	}, []shapeCase{
		{"no flags", mprog.Shape{Size: 12}, 0, ""},
		{"junk behind the last field", mprog.Shape{Size: 33, Junk: 32}, mprog.EINVAL, "attr/tail"},
	}},
	{"query", func(s *stage, shape mprog.Shape) error {
		s.put("x@l")
		progs, links := make([]uint32, 1), make([]uint32, 1)
		res, err := s.k.ProgQuery(mprog.QueryRequest{
			Shape: shape, TargetIfindex: s.hook.Ifindex, AttachType: s.hook.Type, Count: 1, ProgIDs: progs, LinkIDs: links,
		})
		if err == nil && (res != mprog.QueryResult{Count: 1, Revision: 2}) {
			s.t.Errorf("%+v", res)
		}
		whole := shape.Size == 0 || shape.Size >= 48
		if got := progs[0] == s.ids["x"] && links[0] == s.ids["l"]; err == nil && got != whole {
			s.t.Errorf("programs %d, links %d", progs, links)
		}
		return err
	}, []shapeCase{
		{"no flags", mprog.Shape{Size: 8}, 0, ""},
		{"no count", mprog.Shape{Size: 24}, 0, ""},
		{"no link_ids", mprog.Shape{Size: 40}, 0, ""},
		{"no revision", mprog.Shape{Size: 56}, 0, ""},
		{"junk in revision", mprog.Shape{Junk: 56}, 0, ""},
		{"part of prog_ids", mprog.Shape{Size: 28, Junk: 20}, mprog.EFAULT, "query/address"},
		{"part of link_ids", mprog.Shape{Size: 44}, mprog.EFAULT, "query/address"},
		{"prog_attach_flags at no address", mprog.Shape{Junk: 39}, mprog.EFAULT, "query/address"},
		{"link_attach_flags at no address", mprog.Shape{Junk: 55}, mprog.EFAULT, "query/address"},
	}},
	{"link create", func(s *stage, shape mprog.Shape) error {
		_, err := s.k.LinkCreate(mprog.LinkCreateRequest{
			Shape: shape, TargetIfindex: s.hook.Ifindex, AttachType: s.hook.Type, ProgFD: s.ref("x"),
		})
		return err
	}, []shapeCase{
		{"no flags", mprog.Shape{Size: 12}, 0, ""},
		{"junk in the padding", mprog.Shape{Junk: 20}, 0, ""},
		{"junk in other links' fields", mprog.Shape{Size: 64, Junk: 63}, 0, ""},
		{"junk behind the last field", mprog.Shape{Size: 65, Junk: 64}, mprog.EINVAL, "attr/tail"},
	}},
	{"link update", func(s *stage, shape mprog.Shape) error {
		s.put("x@l")
		return s.k.LinkUpdate(mprog.LinkUpdateRequest{Shape: shape, LinkFD: s.ref("l"), NewProgFD: s.ref("y")})
	}, []shapeCase{
		{"no flags", mprog.Shape{Size: 8}, 0, ""},
		{"no new_prog_fd", mprog.Shape{Size: 4}, mprog.EINVAL, "prog/not-a-program"},
		{"junk behind the last field", mprog.Shape{Size: 17, Junk: 16}, mprog.EINVAL, "attr/tail"},
	}},
	{"link detach", func(s *stage, shape mprog.Shape) error {
		s.put("x@l")
		return s.k.LinkDetach(mprog.LinkDetachRequest{Shape: shape, LinkFD: s.ref("l")})
	}, []shapeCase{
		{"junk in link_fd", mprog.Shape{Junk: 1}, mprog.EBADF, "link/bad-fd"},
		{"junk behind the last field", mprog.Shape{Size: 5, Junk: 4}, mprog.EINVAL, "attr/tail"},
	}},
}

func TestShape(t *testing.T) {
	for _, cmd := range shapeCommands {
		for _, c := range append(cmd.cases, longShapes...) {
			t.Run(cmd.name+"/"+c.name, func(t *testing.T) {
				s := newStage(t, mprog.NetkitPrimary)
				check(t, cmd.do(s, c.shape), c.errno, c.rule)
			})
		}
	}
}

// The size is checked before the capability, the tail behind it.
func TestShapeQueryCapability(t *testing.T) {
	s := newStage(t, mprog.NetkitPrimary)
	s.k.caps = 0
	_, err := s.k.ProgQuery(mprog.QueryRequest{Shape: mprog.Shape{Size: 4097}})
	check(t, err, mprog.E2BIG, "attr/size")
	_, err = s.k.ProgQuery(mprog.QueryRequest{Shape: mprog.Shape{Size: 72, Junk: 71}})
	check(t, err, mprog.EPERM, "capability/net-admin")
}
