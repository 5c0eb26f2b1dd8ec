package rtnl

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// traffic is a process of the fake as rtnetlink wants it.
type traffic struct{ *fake.Process }

func (t traffic) SetXDP(r mprog.XDPRequest) error { return t.XDPSet(r) }

func (t traffic) AddQdisc(r mprog.QdiscRequest) error    { return t.QdiscAdd(r) }
func (t traffic) DeleteQdisc(r mprog.QdiscRequest) error { return t.QdiscDelete(r) }
func (t traffic) AddFilter(r mprog.FilterRequest) (mprog.Filter, error) {
	return t.NewFilter(r)
}
func (t traffic) DeleteFilter(r mprog.FilterRequest) error              { return t.FilterDelete(r) }
func (t traffic) GetFilter(r mprog.FilterRequest) (mprog.Filter, error) { return t.FilterGet(r) }
func (t traffic) Filters(h mprog.Hook) ([]mprog.Filter, error)          { return t.FilterList(h) }
func (t traffic) AddChain(r mprog.FilterRequest) error                  { return t.ChainAdd(r) }
func (t traffic) DeleteChain(r mprog.FilterRequest) error               { return t.ChainDelete(r) }
func (t traffic) Tag(uint32) [8]byte                                    { return [8]byte{1, 2, 3} }

// filtering is a program that filters on lo, with what the running kernel is asked.
type filtering struct {
	*client
	kernel    *fake.Kernel
	prog      uint32
	forwarded int
	answers   [][]byte // of the running kernel
	warnings  []string
}

func newFiltering(t testing.TB, without ...mprog.Capability) *filtering {
	k := fake.New()
	s := New(&backend{})
	f := &filtering{client: newClient(s), kernel: k}
	s.Warn = func(line string) { f.warnings = append(f.warnings, line) }
	fd, err := k.LoadProg(mprog.ProgSpec{Name: "p"})
	require.NoError(t, err)
	p, err := k.NewProcess(mprog.ProcessSpec{Without: without})
	require.NoError(t, err)
	f.prog, f.Extended = fd, true
	f.Traffic = func() Traffic { return traffic{p.(*fake.Process)} }
	f.Forward = func(request []byte) [][]byte {
		if native.Uint16(request[4:]) == getLink {
			m := split(request)[0]
			if native.Uint32(m.body[4:]) == lo {
				return [][]byte{appendMessage(nil, message{typ: newLink, seq: m.seq, body: make([]byte, infoSize)})}
			}
			return [][]byte{answerTo(m, 0, mprog.ENODEV, false)}
		}
		if native.Uint16(request[4:]) == getQdisc && f.answers == nil { // a qdisc is there
			return [][]byte{appendMessage(nil, message{
				typ: newQdisc, body: describeQdisc(header(lo, 0x10000, rootParent, 2), "fq", mprog.QdiscCounts{}),
			})}
		}
		f.forwarded++
		return f.answers
	}
	return f
}

// ask sends a request and returns its errno and what is told in words.
func (f *filtering) ask(typ, flags uint16, ifindex, handle, parent, info uint32, attrs ...[]byte) (errno mprog.Errno, words string) {
	body := header(ifindex, handle, parent, info)
	for _, a := range attrs {
		body = append(body, a...)
	}
	f.got = nil
	f.server.Request(f.Socket, appendMessage(nil, message{typ: typ, flags: flags | flagRequest | flagAck, seq: 3, body: body}))
	for _, m := range f.got {
		if m.typ != msgError {
			continue
		}
		errno = mprog.Errno(-int32(native.Uint32(m.body)))
		if m.flags&0x200 != 0 {
			told, _ := parseAttributes(m.body[4+native.Uint32(m.body[4:]):])
			words = told.text(1)
		}
	}
	return errno, words
}

func kindOf(kind string) []byte { return appendText(nil, tcKind, kind) }

func (f *filtering) options(more ...[]byte) []byte {
	p := appendU32(nil, bpfFD, f.prog)
	for _, m := range more {
		p = append(p, m...)
	}
	return appendAttribute(nil, tcOptions, p)
}

const (
	create = uint16(mprog.NLCreate)
	lo     = 1
	onIn   = 0xfffffff2
	every  = 1<<16 | 0x0300

	rootParent = 0xffffffff // TC_H_ROOT
)

func TestWhatIsNotSimulatedIsTold(t *testing.T) {
	action := appendAttribute(nil, 1, appendAttribute(nil, 1, append(kindOf("bpf"), appendU32(nil, 5, 3)...)))
	for _, tc := range []struct {
		name  string
		ask   func(*filtering) (mprog.Errno, string)
		words string // "": it is for the running kernel
	}{
		{"an action", func(f *filtering) (mprog.Errno, string) {
			return f.ask(newFilter, create, lo, 0, onIn, every, kindOf("bpf"), f.options(appendAttribute(nil, bpfAction, nil)))
		}, "nkconform: actions of filters are not simulated"},
		{"classic BPF", func(f *filtering) (mprog.Errno, string) {
			return f.ask(newFilter, create, lo, 0, onIn, every, kindOf("bpf"), f.options(appendAttribute(nil, bpfOps, nil)))
		}, "nkconform: filters of classic BPF are not simulated"},
		{"a chain with a template", func(f *filtering) (mprog.Errno, string) {
			return f.ask(newChain, create, lo, 0, onIn, 0, kindOf("flower"))
		}, "nkconform: templates of chains are not simulated"},
		{"a program on another qdisc", func(f *filtering) (mprog.Errno, string) {
			return f.ask(newFilter, create, lo, 0, 0x10000, every, kindOf("bpf"), f.options())
		}, "nkconform: programs of BPF are filters of clsact and ingress qdiscs only, and no actions"},
		{"a program as an action of another kind", func(f *filtering) (mprog.Errno, string) {
			return f.ask(newFilter, create, lo, 0, 0x10000, every, kindOf("u32"), appendAttribute(nil, tcOptions, action))
		}, "nkconform: programs of BPF are filters of clsact and ingress qdiscs only, and no actions"},
		{"a program as an action", func(f *filtering) (mprog.Errno, string) {
			f.got = nil
			f.server.Request(f.Socket, appendMessage(nil, message{
				typ: newAction, flags: create | flagRequest | flagAck, seq: 3, body: append(make([]byte, 4), action...),
			}))
			return mprog.Errno(-int32(native.Uint32(f.got[0].body))), "nkconform: programs of BPF are filters of clsact and ingress qdiscs only, and no actions"
		}, "nkconform: programs of BPF are filters of clsact and ingress qdiscs only, and no actions"},
		{"another kind on another qdisc", func(f *filtering) (mprog.Errno, string) {
			return f.ask(newFilter, create, lo, 0, 0x10000, every, kindOf("u32"))
		}, ""},
		{"another qdisc", func(f *filtering) (mprog.Errno, string) {
			return f.ask(newQdisc, create, lo, 0, rootParent, 0, kindOf("fq"))
		}, ""},
		{"another kind at clsact's place, which the running kernel refuses", func(f *filtering) (mprog.Errno, string) {
			return f.ask(newQdisc, create|uint16(mprog.NLExcl), lo, 0, clsactParent, 0, kindOf("fq"))
		}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFiltering(t)
			if !strings.Contains(tc.name, "clsact's place") {
				errno, _ := f.ask(newQdisc, create, lo, 0, clsactParent, 0, kindOf("clsact"))
				require.Zero(t, errno)
			}
			errno, words := tc.ask(f)
			if tc.words == "" {
				require.Equal(t, 1, f.forwarded)
				require.Empty(t, f.warnings)
				return
			}
			require.Equal(t, mprog.EOPNOTSUPP, errno)
			require.Equal(t, tc.words, words)
			_, _ = tc.ask(f)
			require.Zero(t, f.forwarded, "the running kernel has seen it")
			require.Equal(t, []string{strings.TrimPrefix(tc.words, "nkconform: ")}, f.warnings, "told once")
		})
	}
}

// Where the parent of a filter is no qdisc, the kernel says so, whatever filter it is.
func TestFilterOfNoQdisc(t *testing.T) {
	f := newFiltering(t)
	errno, words := f.ask(newFilter, create, lo, 0, 0x20000, every, kindOf("bpf"), f.options())
	require.Equal(t, mprog.EINVAL, errno)
	require.Equal(t, "Parent Qdisc doesn't exists", words)
	errno, _ = f.ask(newFilter, create, 99, 0, 0x20000, every, kindOf("bpf"), f.options())
	require.Equal(t, mprog.ENODEV, errno)
	errno, words = f.ask(newFilter, uint16(mprog.NLReplace), 99, 0, 0x20000, 0x0300, kindOf("bpf"), f.options()) // the priority is looked at first
	require.Equal(t, mprog.ENOENT, errno)
	require.Equal(t, "Invalid filter command with priority of zero", words)
	require.Empty(t, f.warnings)
	require.Zero(t, f.forwarded)
}

func TestFilterNeedsCapability(t *testing.T) {
	f := newFiltering(t, mprog.CapNetAdmin)
	for _, typ := range []uint16{newQdisc, delQdisc} {
		errno, words := f.ask(typ, create, lo, 0, clsactParent, 0, kindOf("clsact"))
		require.Equal(t, mprog.EPERM, errno)
		require.Empty(t, words)
	}
	for _, typ := range []uint16{newFilter, delFilter} {
		errno, _ := f.ask(typ, create, lo, 0, onIn, every, kindOf("bpf"), f.options())
		require.Equal(t, mprog.EPERM, errno)
	}
	errno, _ := f.ask(getFilter, flagDump, lo, 0, onIn, 0)
	require.Zero(t, errno)
}

// The running kernel's qdiscs are listed with those that are simulated, and without those
// that it has there itself.
func TestQdiscsOfBoth(t *testing.T) {
	root := func(ifindex uint32) message {
		return message{typ: newQdisc, flags: flagMulti, body: describeQdisc(header(ifindex, 0x10000, rootParent, 2), "fq", mprog.QdiscCounts{})}
	}
	hidden := message{typ: newQdisc, flags: flagMulti, body: describeQdisc(header(1, clsactHandle, clsactParent, 1), "ingress", mprog.QdiscCounts{})}
	var listed []byte
	for _, m := range []message{root(1), hidden, root(3)} {
		listed = appendMessage(listed, m)
	}
	done := appendMessage(nil, message{typ: msgDone, flags: flagMulti, body: make([]byte, 4)})
	names := func(f *filtering) (list []string) {
		for _, m := range f.got {
			if m.typ == newQdisc {
				attrs, _ := parseAttributes(m.body[tcSize:])
				list = append(list, string(rune('0'+native.Uint32(m.body[4:])))+attrs.text(tcKind))
			}
		}
		return list
	}
	for _, tc := range []struct {
		name  string
		qdisc bool
		host  bool
		want  []string
	}{
		{"none of its own", false, false, []string{"1fq", "3fq"}},
		{"one of its own", true, false, []string{"1fq", "1clsact", "3fq"}},
		{"none of its own in the host's network", false, true, []string{"1fq", "1ingress", "3fq"}},
		{"one of its own in the host's network", true, true, []string{"1fq", "1clsact", "3fq"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFiltering(t)
			f.answers, f.ReadOnly = [][]byte{listed, done}, tc.host
			if tc.qdisc {
				_, _ = f.ask(newQdisc, create, lo, 0, clsactParent, 0, kindOf("clsact"))
			}
			_, _ = f.ask(getQdisc, flagDump, 0, 0, 0, 0)
			require.Equal(t, tc.want, names(f))
			require.Equal(t, uint16(msgDone), f.got[len(f.got)-1].typ)
		})
	}
}

// Whatever a program sends, it is answered, and no fd of a filter or an action reaches
// the running kernel.
func FuzzTraffic(f *testing.F) {
	one := newFiltering(f)
	f.Add(uint16(newQdisc), create, header(lo, 0, clsactParent, 0), kindOf("clsact"))
	f.Add(uint16(newFilter), create, header(lo, 0, onIn, every), append(kindOf("bpf"), one.options()...))
	f.Add(uint16(getFilter), uint16(flagDump), header(lo, 0, onIn, 0), appendU32(nil, tcChain, 3))
	f.Add(uint16(delChain), uint16(0), header(lo, 0, onIn, 0), []byte{})
	f.Fuzz(func(t *testing.T, typ, flags uint16, head, attrs []byte) {
		p := newFiltering(t)
		p.Forward = func(request []byte) [][]byte {
			for _, m := range split(request) {
				if m.typ == newFilter && len(m.body) >= tcSize {
					a, _ := parseAttributes(m.body[tcSize:])
					require.NotEqual(t, mprog.BPFKind, a.text(tcKind), "a filter with a program reaches the running kernel")
				}
			}
			return nil
		}
		_, _ = p.ask(newQdisc, create, lo, 0, clsactParent, 0, kindOf("clsact"))
		_, _ = p.ask(newFilter, create, lo, 0, onIn, every, kindOf("bpf"), p.options())
		p.server.Request(p.Socket, appendMessage(nil, message{typ: typ, flags: flags | flagRequest, body: append(head, attrs...)}))
	})
}
