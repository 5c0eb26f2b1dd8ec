package sim

import (
	"embed"
	"fmt"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/mprog"
)

// Which helpers programs of a type may call is a file for each release at which
// that changes, as real kernels answered (internal/helpers).
//
//go:embed helpers
var helperFiles embed.FS

// permissions are those of a release.
type permissions struct {
	count int32 // of helpers, with number 0 that is none
	types map[string]numbers
	gpl   numbers // only for programs of a compatible license
	// What the verifier says of a helper that there is not, and of one of other
	// types, before its name and number.
	none, others string
}

// numbers is a set.
type numbers map[int32]bool

// progTypes are the names of enum bpf_prog_type in those files, by number.
var progTypes = strings.Fields(`unspec socket_filter kprobe sched_cls sched_act tracepoint xdp perf_event cgroup_skb
cgroup_sock lwt_in lwt_out lwt_xmit sock_ops sk_skb cgroup_device sk_msg raw_tracepoint cgroup_sock_addr lwt_seg6local
lirc_mode2 sk_reuseport flow_dissector cgroup_sysctl raw_tracepoint_writable cgroup_sockopt tracing struct_ops ext lsm
sk_lookup syscall netfilter`)

// permissionsOf returns those of a release: the newest that is not newer, and
// before all of them the oldest.
func permissionsOf(r fake.Release) (*permissions, error) {
	files, err := helperFiles.ReadDir("helpers")
	if err != nil {
		return nil, fmt.Errorf("read helpers: %w", err)
	}
	var best fake.Release
	for _, f := range files {
		of, err := fake.ParseRelease(f.Name())
		if err != nil {
			return nil, fmt.Errorf("read helpers: %w", err)
		}
		if best == (fake.Release{}) || best.Before(of) == !r.Before(of) {
			best = of
		}
	}
	return readPermissions(best.String())
}

// readPermissions reads lines of a name, a colon and numbers or ranges of them.
func readPermissions(file string) (*permissions, error) {
	text, err := helperFiles.ReadFile(path.Join("helpers", file))
	if err != nil {
		return nil, fmt.Errorf("read helpers: %w", err)
	}
	p := &permissions{types: map[string]numbers{}}
	for line := range strings.Lines(string(text)) {
		name, list, found := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if strings.HasPrefix(line, "#") || !found {
			continue
		}
		switch name {
		case "says of none":
			p.none = list
			continue
		case "says of others":
			p.others = list
			continue
		}
		set, err := readNumbers(list)
		if err != nil {
			return nil, fmt.Errorf("helpers of Linux %s: %s: %w", file, name, err)
		}
		switch name {
		case "count":
			for n := range set {
				p.count = n
			}
		case "gpl":
			p.gpl = set
		default:
			p.types[name] = set
		}
	}
	return p, nil
}

func readNumbers(list string) (numbers, error) {
	set := numbers{}
	for _, field := range strings.Fields(list) {
		from, to, found := strings.Cut(field, "-")
		if !found {
			to = from
		}
		first, err := strconv.ParseInt(from, 10, 32)
		if err != nil {
			return nil, err
		}
		last, err := strconv.ParseInt(to, 10, 32)
		if err != nil {
			return nil, err
		}
		for n := first; n <= last; n++ {
			set[int32(n)] = true
		}
	}
	return set, nil
}

// checkHelpers is what check_helper_call refuses of the helpers that a program
// gets to, with the words of the verifier's log. Types of which nothing is known
// may call all that there are.
func (k *call) checkHelpers(p *program, code *machine.Program) error {
	may, err := k.permissions()
	if err != nil {
		return err
	}
	var allowed numbers
	if int(p.typ) < len(progTypes) {
		allowed = may.types[progTypes[p.typ]]
	}
	for _, c := range code.Calls(k.fixed) {
		name := machine.HelperName(c.Helper)
		switch {
		case c.Helper <= 0 || c.Helper >= may.count:
			return k.verifierSays(c.At, fmt.Sprintf("%sunknown#%d", may.none, c.Helper))
		case allowed != nil && !allowed[c.Helper]:
			return k.verifierSays(c.At, fmt.Sprintf("%sbpf_%s#%d", may.others, name, c.Helper))
		case !p.gpl && may.gpl[c.Helper]:
			return k.verifierSays(c.At, "cannot call GPL-restricted function from non-GPL compatible program")
		}
	}
	return nil
}

// Where BPF_PROG_LOAD has the verifier's log.
const (
	loadLogLevel = 24
	loadLogSize  = 28
	loadLog      = 32
)

// verifierSays refuses a program, for one of its instructions, with a line in the
// verifier's log if the caller wants one, as far as there is room.
func (k *call) verifierSays(at int, line string) error {
	if size := k.u32(loadLogSize); k.u32(loadLogLevel) != 0 && k.u64(loadLog) != 0 && size > 0 {
		text := append([]byte(line), '\n', 0)
		if uint32(len(text)) > size {
			text = append(text[:size-1:size-1], 0)
		}
		if err := k.write(Segment{k.u64(loadLog), text}); err != nil {
			return err
		}
	}
	return refuse("load/helper", mprog.EINVAL, "instruction %d: %s", at, line)
}

// fixed reads what a frozen map has that programs cannot change, either.
func (k *call) fixed(id, offset uint32, size int) (uint64, bool) {
	m := k.maps.byID[id]
	if m == nil || !m.frozen || m.flags&readProg == 0 || m.typ != arrayMap || uint64(offset)+uint64(size) > uint64(m.valueSize) {
		return 0, false
	}
	p := append(m.elements.get(make([]byte, 4))[offset:][:size:size], make([]byte, 8)...)
	switch size {
	case 1:
		return uint64(p[0]), true
	case 2:
		return uint64(native.Uint16(p)), true
	case 4:
		return uint64(native.Uint32(p)), true
	}
	return native.Uint64(p), true
}

// onePermissions reads a release's file once.
func onePermissions(r fake.Release) func() (*permissions, error) {
	once, _ := readOnce.LoadOrStore(r, sync.OnceValues(func() (*permissions, error) { return permissionsOf(r) }))
	return once.(func() (*permissions, error))
}

var readOnce sync.Map // of such functions, by release
