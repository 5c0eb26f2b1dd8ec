package testee

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/mprog"
)

// request is a line in the making.
type request struct{ strings.Builder }

func newRequest(verb string) *request {
	r := &request{}
	r.WriteString(verb)
	return r
}

// add adds a word, if it is not 0.
func (r *request) add(key string, value uint64) {
	if value != 0 {
		fmt.Fprintf(r, " %s=%d", key, value)
	}
}

// call makes a request and turns its reply into the error of the call.
func (e *environment) call(op mprog.Op, r *request) (reply, error) {
	answer, err := e.process.ask(r.String())
	switch {
	case err != nil:
		return answer, err
	case answer.unsupported != "":
		return answer, unsupported(op, answer.unsupported)
	case answer.errno != 0:
		return answer, &mprog.Error{Op: op, Errno: answer.errno}
	}
	return answer, nil
}

// ProgAttach has the testee attach.
func (e *environment) ProgAttach(r mprog.AttachRequest) error {
	return e.attach(mprog.OpProgAttach, "prog-attach", r)
}

// noCgroups is why testees are not asked about cgroups: a request names one by an fd of
// the environment's.
const noCgroups = "testees know no cgroups"

// ProgDetach has the testee detach.
func (e *environment) ProgDetach(r mprog.DetachRequest) error {
	return e.attach(mprog.OpProgDetach, "prog-detach", mprog.AttachRequest(r))
}

func (e *environment) attach(op mprog.Op, verb string, r mprog.AttachRequest) error {
	if r.AttachType.Cgroup() {
		return unsupported(op, noCgroups)
	}
	if r.Shape != (mprog.Shape{}) || r.AttachFD == 0 && op == mprog.OpProgAttach {
		return unsupported(op, "the bytes of bpf_attr are the library's")
	}
	prog, err := e.object(op, r.AttachFD, mprog.ProgObject)
	if err != nil {
		return err
	}
	line := hookRequest(verb, r.TargetIfindex, r.AttachType)
	line.add("prog_id", uint64(prog))
	line.add("flags", uint64(r.Flags))
	if r.Flags&mprog.Replace != 0 {
		old, err := e.object(op, r.ReplaceFD, mprog.ProgObject)
		if err != nil {
			return err
		}
		line.add("replace_prog_id", uint64(old))
	}
	if err := e.relative(op, line, r.Flags, r.Relative); err != nil {
		return err
	}
	line.add("expected_revision", r.ExpectedRevision)
	_, err = e.call(op, line)
	return err
}

func hookRequest(verb string, ifindex uint32, at mprog.AttachType) *request {
	line := newRequest(verb)
	line.add("target_ifindex", uint64(ifindex))
	line.add("attach_type", uint64(at))
	return line
}

// relative adds the relative object.
func (e *environment) relative(op mprog.Op, line *request, flags mprog.Flags, fdOrID uint32) error {
	if flags&mprog.ID != 0 {
		line.add("relative_id", uint64(fdOrID))
		return nil
	}
	key, kind := "relative_prog_id", mprog.ProgObject
	if flags&mprog.Link != 0 {
		key, kind = "relative_link_id", mprog.LinkObject
	}
	id, err := e.object(op, fdOrID, kind)
	line.add(key, uint64(id))
	return err
}

// LinkCreate has the testee make a link, and opens it by its id.
func (e *environment) LinkCreate(r mprog.LinkCreateRequest) (fd uint32, err error) {
	const op = mprog.OpLinkCreate
	if r.AttachType == mprog.XDPDevice { // it only sets the stage
		return e.Kernel.LinkCreate(r)
	}
	if r.AttachType.Cgroup() {
		return 0, unsupported(op, noCgroups)
	}
	if r.Shape != (mprog.Shape{}) || r.ProgFD == 0 {
		return 0, unsupported(op, "the bytes of bpf_attr are the library's")
	}
	prog, err := e.object(op, r.ProgFD, mprog.ProgObject)
	if err != nil {
		return 0, err
	}
	line := hookRequest("link-create", r.TargetIfindex, r.AttachType)
	line.add("prog_id", uint64(prog))
	line.add("flags", uint64(r.Flags))
	if err := e.relative(op, line, r.Flags, r.Relative); err != nil {
		return 0, err
	}
	line.add("expected_revision", r.ExpectedRevision)
	answer, err := e.call(op, line)
	if err != nil {
		return 0, err
	}
	id, err := answer.number("link_id", 32)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", op, err)
	}
	fd, err = e.LinkFDByID(mprog.IDRequest{ID: uint32(id)})
	if err != nil {
		return 0, fmt.Errorf("%s: the testee says that it made link id %d: %v", op, id, err)
	}
	_, err = e.call(op, newRequest("release"))
	return fd, err
}

// LinkUpdate has the testee update a link.
func (e *environment) LinkUpdate(r mprog.LinkUpdateRequest) error {
	const op = mprog.OpLinkUpdate
	if r.Shape != (mprog.Shape{}) || r.LinkFD == 0 || r.NewProgFD == 0 || r.Flags&mprog.Replace == 0 && r.OldProgFD != 0 {
		return unsupported(op, "the bytes of bpf_attr are the library's")
	}
	link, err1 := e.object(op, r.LinkFD, mprog.LinkObject)
	prog, err2 := e.object(op, r.NewProgFD, mprog.ProgObject)
	old, err3 := e.object(op, r.OldProgFD, mprog.ProgObject)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	line := newRequest("link-update")
	line.add("link_id", uint64(link))
	line.add("new_prog_id", uint64(prog))
	line.add("flags", uint64(r.Flags))
	line.add("old_prog_id", uint64(old))
	_, err := e.call(op, line)
	return err
}

// LinkDetach has the testee detach a link.
func (e *environment) LinkDetach(r mprog.LinkDetachRequest) error {
	const op = mprog.OpLinkDetach
	if r.Shape != (mprog.Shape{}) || r.LinkFD == 0 {
		return unsupported(op, "the bytes of bpf_attr are the library's")
	}
	link, err := e.object(op, r.LinkFD, mprog.LinkObject)
	if err != nil {
		return err
	}
	line := newRequest("link-detach")
	line.add("link_id", uint64(link))
	_, err = e.call(op, line)
	return err
}

// ProgQuery has the testee query, and compares with what the kernel says. A query
// that the testee cannot express is the kernel's alone.
func (e *environment) ProgQuery(r mprog.QueryRequest) (mprog.QueryResult, error) {
	const op = mprog.OpProgQuery
	want, wantErr := e.Kernel.ProgQuery(r)
	if r.AttachType.Cgroup() {
		return want, unsupported(op, noCgroups)
	}
	if r.Shape != (mprog.Shape{}) || r.AttachFlags != 0 || r.ProgIDs == nil || r.LinkIDs == nil || r.Count == 0 {
		return want, wantErr
	}
	line := hookRequest("prog-query", r.TargetIfindex, r.AttachType)
	line.add("query_flags", uint64(r.QueryFlags))
	line.add("count", uint64(r.Count))
	for _, array := range attachFlags(r) {
		if array.want != nil {
			line.add(array.key, 1)
		}
	}
	answer, err := e.call(op, line)
	if errors.Is(err, mprog.ErrUnsupported) {
		return want, wantErr
	}
	errno, refused := mprog.ErrnoOf(err)
	if !refused || errno != 0 && errno != mprog.ENOSPC {
		return mprog.QueryResult{}, err
	}
	got, err1 := decodeQuery(answer, r, want.Count)
	if err1 != nil {
		return got, fmt.Errorf("%s: %w", op, err1)
	}
	if got != want {
		return got, fmt.Errorf("%s: the testee says %+v, and the kernel %+v", op, got, want)
	}
	return got, err
}

// decodeQuery reads a testee's answer, whose ids must be those that the kernel has
// written into the request's slices.
func decodeQuery(answer reply, r mprog.QueryRequest, attached uint32) (mprog.QueryResult, error) {
	revision, err1 := answer.number("revision", 64)
	count, err2 := answer.number("count", 32)
	got := mprog.QueryResult{Revision: revision, Count: uint32(count)}
	if err := errors.Join(err1, err2); err != nil {
		return got, err
	}
	n := int(min(attached, r.Count))
	for _, list := range append(attachFlags(r), array{"prog_ids", r.ProgIDs}, array{"link_ids", r.LinkIDs}) {
		ids := make([]uint32, r.Count)
		m, err := answer.ids(list.key, ids)
		if err != nil {
			return got, err
		}
		if list.want != nil && !slices.Equal(ids[:m], list.want[:n]) {
			return got, fmt.Errorf("the testee says %s %v, and the kernel %v", list.key, ids[:m], list.want[:n])
		}
	}
	return got, nil
}

// array is one that a query may fill, and what the kernel has filled in.
type array struct {
	key  string
	want []uint32
}

// attachFlags are the arrays that a testee is told of, as they may be left out.
func attachFlags(r mprog.QueryRequest) []array {
	return []array{{"prog_attach_flags", r.ProgAttachFlags}, {"link_attach_flags", r.LinkAttachFlags}}
}
