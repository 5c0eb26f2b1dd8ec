package trace

// kind is what a word of a statement stands for.
type kind int

const (
	newDevice    kind = iota + 1 // declares a device
	newProg                      // declares a program, and an fd of it
	newLink                      // declares a link, and an fd of it
	newObject                    // declares another fd of a program or a link
	newNetns                     // declares a network namespace
	newProcess                   // declares a process
	netns                        // a network namespace's name
	process                      // a process's name
	path                         // a path
	mode                         // l2 or l3
	policy                       // forward or blackhole
	capabilities                 // names joined by +
	device                       // a device's name, or an ifindex
	hook                         // DEVICE:TYPE, or CGROUP:TYPE
	fd                           // name of a program or link, or a number
	fds                          // as fd, or a range of names: the statement is repeated
	id                           // name of a program or link, or a number
	feature                      // a feature's name
	flags                        // names and numbers joined by +
	u32                          // a number
	u64                          // a number
	s32                          // a number
	progType                     // a name or a number
	null                         // the word null
	array                        // the word array
	qdiscKind                    // clsact or ingress
	nlFlags                      // names joined by +
	u16                          // a number of 16 bits
	newCgroup                    // declares a cgroup, and an fd of it
	cgroup                       // a cgroup's name, or an fd
	attachType                   // a name or a number
	hooks                        // a kind of hooks
)

// verb is the form of a statement.
type verb struct {
	operands []kind
	optional int  // how many operands may be left out at the end
	repeated bool // the last operand may come more than once
	params   map[string]kind
	call     bool     // a system call, which any process can make
	answer   bool     // may be followed by an answer
	fields   []string // the named values its answer may have
	list     bool     // its answer may have a list
}

// shape and relative are shared by several verbs.
var shape = map[string]kind{"size": u32, "junk": u32}

var relative = map[string]kind{
	"flags": flags, "relative_fd": fd, "relative_id": id, "expected_revision": u64,
}

var (
	openFlags = map[string]kind{"open_flags": u32}
	fileFlags = map[string]kind{"file_flags": u32}
)

// state is what the answer of a statement that touches a hook may tell of it.
var state = []string{"revision", "attach_flags"}

// filterKeys say which filter is meant, filterFields tell the same of each in a list.
var (
	filterKeys   = map[string]kind{"prio": u16, "handle": u32, "protocol": u16, "chain": u32}
	filterFields = []string{"chain", "prio", "protocol", "handle", "bpf_flags"}
)

// verbs is the language: docs/trace-language.md has an example of each.
var verbs = map[string]verb{
	"for":  {operands: []kind{hooks}, repeated: true},
	"need": {operands: []kind{feature}, repeated: true},

	"netkit": {operands: []kind{newDevice, newDevice}, optional: 1, answer: true,
		params: map[string]kind{"mode": mode, "policy": policy, "peer_policy": policy}},
	"device": {operands: []kind{newDevice}, repeated: true, answer: true},
	"veth":   {operands: []kind{newDevice, newDevice}, answer: true},
	"dummy":  {operands: []kind{newDevice}, answer: true},
	"delete": {operands: []kind{device}, answer: true},
	"netns":  {operands: []kind{newNetns}, repeated: true, answer: true},
	"move":   {operands: []kind{device, netns}, answer: true},
	"end":    {operands: []kind{netns}, answer: true},
	"process": {operands: []kind{newProcess}, answer: true,
		params: map[string]kind{"netns": netns, "without": capabilities}},
	"qdisc": {call: true, operands: []kind{device, qdiscKind}, answer: true, params: map[string]kind{"handle": u32, "nlmsg_flags": nlFlags}},
	"qdisc-delete": {call: true, operands: []kind{device, qdiscKind}, optional: 1, answer: true,
		params: map[string]kind{"handle": u32}},
	"filter": {call: true, operands: []kind{hook, fd}, answer: true, fields: filterFields, list: true,
		params: merge(filterKeys, map[string]kind{"bpf_flags": u32, "nlmsg_flags": nlFlags})},
	"filter-delete": {call: true, operands: []kind{hook}, answer: true, fields: filterFields, list: true, params: filterKeys},
	"filter-list":   {call: true, operands: []kind{hook}, answer: true, fields: filterFields, list: true},
	"exit":          {operands: []kind{process}, answer: true, fields: state, list: true},
	"send":          {operands: []kind{device}, answer: true, fields: []string{"packet"}, list: true},
	"cgroup":        {operands: []kind{newCgroup}, answer: true, params: map[string]kind{"parent": cgroup}},
	"cgroup-remove": {operands: []kind{cgroup}, answer: true},
	"cgroup-enter":  {call: true, operands: []kind{cgroup}, answer: true},
	"datagram":      {call: true, operands: []kind{process}, answer: true, fields: []string{"packet"}, list: true},
	"prog": {operands: []kind{newProg}, repeated: true, answer: true,
		params: map[string]kind{"type": progType, "return": s32, "expected_attach_type": attachType}},

	"attach": {call: true, operands: []kind{hook, fds}, answer: true, fields: state, list: true,
		params: merge(shape, relative, map[string]kind{"replace_bpf_fd": fd})},
	"detach": {call: true, operands: []kind{hook, fds}, optional: 1, answer: true, fields: state, list: true,
		params: merge(shape, relative, map[string]kind{"replace_bpf_fd": fd})},
	"query": {call: true, operands: []kind{hook}, answer: true,
		fields: []string{"revision", "count", "attach_flags", "prog_attach_flags", "link_attach_flags"}, list: true,
		params: merge(shape, map[string]kind{"count": u32, "query_flags": u32, "attach_flags": u32, "prog_ids": null,
			"link_ids": null, "prog_attach_flags": array, "link_attach_flags": array})},
	"link": {call: true, operands: []kind{newLink, hook, fd}, answer: true, fields: state, list: true,
		params: merge(shape, relative)},
	"link-update": {call: true, operands: []kind{fd, fd}, answer: true, fields: state, list: true,
		params: merge(shape, map[string]kind{"flags": flags, "old_prog_fd": fd})},
	"link-detach": {call: true, operands: []kind{fd}, answer: true, fields: state, list: true, params: shape},
	"prog-fd":     {call: true, operands: []kind{newObject, id}, answer: true, params: merge(shape, openFlags)},
	"link-fd":     {call: true, operands: []kind{newObject, id}, answer: true, params: merge(shape, openFlags)},
	"prog-next":   {call: true, operands: []kind{id}, answer: true, fields: []string{"next_id"}, params: merge(shape, openFlags)},
	"link-next":   {call: true, operands: []kind{id}, answer: true, fields: []string{"next_id"}, params: merge(shape, openFlags)},
	"pin":         {call: true, operands: []kind{path, fd}, answer: true, params: merge(shape, fileFlags)},
	"get":         {call: true, operands: []kind{newObject, path}, answer: true, params: merge(shape, fileFlags)},
	"unlink":      {call: true, operands: []kind{path}, answer: true, fields: state, list: true},
	"dup":         {call: true, operands: []kind{newObject, fd}, answer: true},
	"bpf":         {call: true, operands: []kind{u32}, answer: true, params: shape},
	"info": {call: true, operands: []kind{fd}, answer: true,
		fields: []string{"type", "id", "prog_id", "ifindex", "cgroup_id", "attach_type"}},
	"close": {call: true, operands: []kind{fds}, repeated: true, answer: true, fields: state, list: true},
}

func merge(tables ...map[string]kind) map[string]kind {
	all := map[string]kind{}
	for _, t := range tables {
		for k, v := range t {
			all[k] = v
		}
	}
	return all
}
