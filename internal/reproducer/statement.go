package reproducer

import (
	"fmt"
	"strings"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// statement writes one.
func (w *writer) statement(s *trace.Statement) error {
	if s.Process != "" {
		return fmt.Errorf("%w: a call of another process", ErrUnsaid)
	}
	write := statements[s.Verb]
	if write == nil {
		return fmt.Errorf("%w: %s", ErrUnsaid, s.Verb)
	}
	return write(w, s)
}

var statements = map[string]func(*writer, *trace.Statement) error{
	"for":  func(*writer, *trace.Statement) error { return nil },
	"need": (*writer).need, "netkit": (*writer).device, "veth": (*writer).device, "dummy": (*writer).device,
	"device": (*writer).anyDevice, "delete": (*writer).deleteDevice, "prog": (*writer).prog,
	"attach": (*writer).attach, "detach": (*writer).attach, "query": (*writer).query, "info": (*writer).info,
	"link": (*writer).link, "link-update": (*writer).linkUpdate, "link-detach": (*writer).linkDetach,
	"prog-fd": (*writer).byID, "link-fd": (*writer).byID, "prog-next": (*writer).next, "link-next": (*writer).next,
	"pin": (*writer).pin, "get": (*writer).get, "unlink": (*writer).unlink, "dup": (*writer).dup,
	"close": (*writer).close, "bpf": (*writer).command,
}

var has = map[mprog.Feature]string{
	mprog.FeatureTCX: `has_tcx()`, mprog.FeatureNetkit: `has_kind("netkit", "probe1")`,
	mprog.FeatureVeth: `has_kind("veth", "probe1")`, mprog.FeatureDummy: `has_kind("dummy", NULL)`,
	mprog.FeatureSingle: `has_single()`,
}

func (w *writer) need(s *trace.Statement) error {
	for _, word := range s.Operands {
		f, absent := trace.ParseNeed(word)
		if has[f] == "" {
			return fmt.Errorf("%w: need %s", ErrUnsaid, f)
		}
		wanted := 1
		if absent {
			wanted = 0
		}
		w.add("need(%s, %d, %s);", has[f], wanted, quote(string(f)))
	}
	return nil
}

func (w *writer) device(s *trace.Statement) error {
	name, peer := s.Operands[0], "NULL"
	made := s.Operands
	if len(made) > 1 {
		peer = quote(made[1])
	}
	if s.Verb != "netkit" {
		w.add("r = add_plain(%s, %s, %s);", quote(s.Verb), quote(name), peer)
	} else {
		options := ""
		if mode, _ := s.Param("mode"); mode == "l2" {
			options += ", .mode_l2 = 1"
		}
		for _, key := range []string{"policy", "peer_policy"} {
			if p, _ := s.Param(key); p == "blackhole" {
				options += ", ." + key + " = NETKIT_DROP"
			}
		}
		w.add("r = add_netkit(%s, %s%s);", quote(name), peer, options)
	}
	if err := w.checked(s, ""); err != nil {
		return err
	}
	w.indexes(made...)
	return nil
}

// indexes asks for the ifindexes of devices.
func (w *writer) indexes(names ...string) {
	for _, name := range names {
		w.set("if_"+w.ident(name), nil, "if_%s = index_of(%s);", w.ident(name), quote(name))
	}
}

func (w *writer) anyDevice(s *trace.Statement) error {
	for i, name := range s.Operands {
		w.chain(i, fmt.Sprintf("add_any(%s)", quote(name)))
	}
	if err := w.checked(s, ""); err != nil {
		return err
	}
	w.indexes(s.Operands...)
	return nil
}

// chain writes a call that is made unless one before was refused.
func (w *writer) chain(i int, call string) {
	if i == 0 {
		w.add("r = %s;", call)
		return
	}
	w.add("if (r >= 0)\n\t\tr = %s;", call)
}

func (w *writer) deleteDevice(s *trace.Statement) error {
	w.add("r = delete_device(%s);", w.ifindex(s.Operands[0]))
	return w.checked(s, "")
}

var progTypes = map[mprog.ProgType]string{
	0: "BPF_PROG_TYPE_SCHED_CLS", mprog.SchedCLS: "BPF_PROG_TYPE_SCHED_CLS",
	mprog.XDP: "BPF_PROG_TYPE_XDP", mprog.SocketFilter: "BPF_PROG_TYPE_SOCKET_FILTER",
}

func (w *writer) prog(s *trace.Statement) error {
	value, _ := s.Param("return")
	ret, _ := trace.ParseNumber(value)
	word, _ := s.Param("type")
	t, _ := trace.ParseProgType(word)
	name, ok := progTypes[t]
	if !ok {
		name = fmt.Sprint(uint32(t))
	}
	for i, prog := range w.expanded(s.Operands) {
		w.objects[prog] = prog
		w.chain(i, fmt.Sprintf("prog_load(%s, %s, %d)", quote(prog), name, int32(ret)))
		w.fresh(prog, "prog_id")
	}
	return w.checked(s, "")
}

// expanded are the names that words stand for.
func (w *writer) expanded(words []string) (names []string) {
	for _, word := range words {
		list, _ := trace.Expand(word)
		names = append(names, list...)
	}
	return names
}

func (w *writer) attach(s *trace.Statement) error {
	hook := w.hook(s.Operands[0])
	call := "prog_" + s.Verb
	progs := []string{"0"}
	if len(s.Operands) > 1 {
		progs = w.expanded(s.Operands[1:])
	}
	for i, p := range progs {
		w.chain(i, fmt.Sprintf("%s(%s, %s%s)", call, hook, w.fd(p), w.options(s)))
	}
	return w.checked(s, hook)
}

func (w *writer) link(s *trace.Statement) error {
	name, hook := s.Operands[0], w.hook(s.Operands[1])
	w.add("r = link_create(%s, %s%s);", hook, w.fd(s.Operands[2]), w.options(s))
	if !w.refused(s) {
		w.fresh(name, "link_id")
		w.objects[name], w.links[name], w.hooks[name] = name, true, hook
	}
	return w.checked(s, hook)
}

// opened takes a new fd, which is one of an object.
func (w *writer) opened(s *trace.Statement, name, object string) {
	if w.refused(s) {
		return
	}
	variable := "fd_" + w.ident(name)
	w.set(variable, nil, "if (r >= 0)\n\t\t%s = r;", variable)
	if first := w.objects[object]; first != "" {
		w.objects[name], w.links[name], w.hooks[name] = first, w.links[first], w.hooks[first]
		from := "id_" + w.ident(first)
		w.set("id_"+w.ident(name), []string{from}, "id_%s = %s;", w.ident(name), from)
	}
}

// fresh takes the fd and the id of a new object.
func (w *writer) fresh(name, idOf string) {
	fd, id := "fd_"+w.ident(name), "id_"+w.ident(name)
	w.set(fd, nil, "if (r >= 0)\n\t\t%s = r;", fd)
	w.set(id, []string{fd}, "%s = %s(%s);", id, idOf, fd)
}

// refused reports whether a statement must be.
func (w *writer) refused(s *trace.Statement) bool {
	for _, o := range s.Answer.Outcomes {
		if o.Errno == 0 {
			return false
		}
	}
	return len(s.Answer.Outcomes) > 0
}

func (w *writer) linkUpdate(s *trace.Statement) error {
	w.add("r = link_update(%s, %s%s);", w.fd(s.Operands[0]), w.fd(s.Operands[1]), w.options(s))
	return w.checked(s, w.hooks[s.Operands[0]])
}

func (w *writer) linkDetach(s *trace.Statement) error {
	w.add("r = link_detach(%s%s);", w.fd(s.Operands[0]), w.options(s))
	return w.checked(s, w.hooks[s.Operands[0]])
}

func (w *writer) byID(s *trace.Statement) error {
	w.add("r = %s_by_id(%s%s);", strings.ReplaceAll(s.Verb, "-", "_"), w.id(s.Operands[1]), w.options(s))
	object, _, _ := trace.SplitID(s.Operands[1])
	w.opened(s, s.Operands[0], object)
	return w.checked(s, "")
}

func (w *writer) next(s *trace.Statement) error {
	kind, _, _ := strings.Cut(s.Verb, "-")
	w.add("r = %s_next_id(%s%s);", kind, w.id(s.Operands[0]), w.options(s))
	return w.checked(s, "")
}

func (w *writer) pin(s *trace.Statement) error {
	w.add("r = obj_pin(%s, %s%s);", quote(s.Operands[0]), w.fd(s.Operands[1]), w.options(s))
	if !w.refused(s) {
		w.pins[s.Operands[0]] = s.Operands[1]
	}
	return w.checked(s, "")
}

func (w *writer) get(s *trace.Statement) error {
	w.add("r = obj_get(%s%s);", quote(s.Operands[1]), w.options(s))
	w.opened(s, s.Operands[0], w.pins[s.Operands[1]])
	return w.checked(s, "")
}

func (w *writer) unlink(s *trace.Statement) error {
	w.add("r = unpin(%s);", quote(s.Operands[0]))
	return w.checked(s, w.hooks[w.pins[s.Operands[0]]])
}

func (w *writer) dup(s *trace.Statement) error {
	w.add("r = or_errno(dup(%s));", w.fd(s.Operands[1]))
	w.opened(s, s.Operands[0], s.Operands[1])
	return w.checked(s, "")
}

func (w *writer) close(s *trace.Statement) error {
	hook := ""
	for i, name := range w.expanded(s.Operands) {
		w.chain(i, fmt.Sprintf("or_errno(close(%s))", w.fd(name)))
		if hook == "" {
			hook = w.hooks[name]
		}
	}
	return w.checked(s, hook)
}

func (w *writer) command(s *trace.Statement) error {
	size, junk := "0", "0"
	if v, ok := s.Param("size"); ok {
		size = number(v)
	}
	if v, ok := s.Param("junk"); ok {
		junk = number(v)
	}
	w.add("r = command(%s, %s, %s);", number(s.Operands[0]), size, junk)
	return w.checked(s, "")
}
