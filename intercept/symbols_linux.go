//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/sim"
)

// symbols are those of the running kernel, which are read when somebody asks. What
// cannot be read is not checked: every name is one.
type symbols struct {
	types func() kernelTypes
	names func() []byte // kallsyms
	// released says that the user has asked for another release than the newest, whose types
	// are to be expected.
	released bool
}

// kernelTypes is what the kernel's BTF has.
type kernelTypes struct {
	data        []byte
	names       map[uint32]string // of functions and typedefs
	kinds       []uint8           // by id; of 0, which is void, 0
	tracepoints map[string]bool
}

var _ sim.Symbols = (*symbols)(nil)

func newSymbols(released bool) *symbols {
	return &symbols{
		released: released,
		types:    sync.OnceValue(readKernelTypes),
		names: sync.OnceValue(func() []byte {
			data, _ := os.ReadFile("/proc/kallsyms")
			if inUserNamespace() {
				data = invented(data)
			}
			return data
		}),
	}
}

func readKernelTypes() (t kernelTypes) {
	const function, typedef = 12, 8 // BTF_KIND_FUNC, BTF_KIND_TYPEDEF
	t.data, _ = os.ReadFile(filepath.Join(typesDir, "vmlinux"))
	t.names, t.tracepoints = make(map[uint32]string), make(map[string]bool)
	t.kinds = []uint8{0}
	sim.WalkBTF(t.data, func(id, kind uint32, name string) bool {
		t.kinds = append(t.kinds, uint8(kind))
		switch kind {
		case typedef:
			if point, ok := strings.CutPrefix(name, "btf_trace_"); ok {
				t.tracepoints[point] = true
				t.names[id] = name
			}
		case function:
			t.names[id] = name
		}
		return true
	})
	return t
}

// Type is the name of a function or a tracepoint by its id of BTF.
func (s *symbols) Type(id uint32) string { return s.types().names[id] }

// typesDir is where the running kernel and its modules have their BTF.
const typesDir = "/sys/kernel/btf"

// Types are the running kernel's. Whether they can be read is seen when somebody asks.
func (s *symbols) Types() (list []sim.KernelTypes) {
	files, err := os.ReadDir(typesDir)
	if err != nil {
		return nil
	}
	for _, f := range files {
		name := f.Name()
		t := sim.KernelTypes{Name: name, Read: func() []byte {
			data, _ := os.ReadFile(filepath.Join(typesDir, name))
			return data
		}}
		if name == "vmlinux" {
			t.Read = func() []byte { return s.types().data }
			list = append([]sim.KernelTypes{t}, list...)
			continue
		}
		list = append(list, t)
	}
	return list
}

// OtherTypes compares a release with the running kernel's.
func (s *symbols) OtherTypes(r fake.Release) string {
	var u unix.Utsname
	if !s.released || unix.Uname(&u) != nil {
		return ""
	}
	release := unix.ByteSliceToString(u.Release[:])
	if mainline(release) == mainline(r.String()) {
		return ""
	}
	return fmt.Sprintf("the kernel's types (BTF) are those of the running %s, not of Linux %s", release, r)
}

// mainline is the first two numbers of a release.
func mainline(release string) string {
	major, rest, _ := strings.Cut(release, ".")
	minor, _, _ := strings.Cut(rest, ".")
	return major + "." + minor
}

// Kind is a type's kind.
func (s *symbols) Kind(id uint32) (kind uint32, ok bool) {
	kinds := s.types().kinds
	if len(kinds) == 1 {
		return 0, true
	}
	if id >= uint32(len(kinds)) {
		return 0, false
	}
	return uint32(kinds[id]), true
}

// Tracepoint reports whether the kernel has a tracepoint.
func (s *symbols) Tracepoint(name string) bool {
	known := s.types().tracepoints
	return len(known) == 0 || known[name]
}

// Function looks a function up.
func (s *symbols) Function(name string) (address uint64, ok bool) {
	list := s.names()
	if len(list) == 0 {
		return 0, true
	}
	for _, end := range []string{"\n", "\t"} {
		for _, kind := range []string{" t ", " T ", " w ", " W "} {
			at := bytes.Index(list, []byte(kind+name+end))
			if at < 0 {
				continue
			}
			line := list[bytes.LastIndexByte(list[:at], '\n')+1 : at]
			address, _ = strconv.ParseUint(string(line), 16, 64)
			return address, true
		}
	}
	return 0, false
}

// functions lists the kernel's functions, for available_filter_functions.
func (s *symbols) functions() (list []byte) {
	for line := range bytes.Lines(s.names()) {
		fields := bytes.Fields(line)
		if len(fields) < 3 || len(fields[1]) != 1 || !bytes.Contains([]byte("tTwW"), fields[1]) {
			continue
		}
		list = append(list, fields[2]...)
		if len(fields) > 3 {
			list = append(append(list, ' '), fields[3]...)
		}
		list = append(list, '\n')
	}
	return list
}

// invented gives the lines of kallsyms addresses where the kernel tells none to ordinary
// users, in the order of the list. They lead nowhere.
func invented(list []byte) []byte {
	const first, apart, digits = 0xffffffff81000000, 16, 16
	hidden := bytes.Repeat([]byte("0"), digits)
	at := uint64(first)
	for rest := list; len(rest) > digits; {
		if bytes.HasPrefix(rest, hidden) {
			copy(rest, strconv.AppendUint(nil, at, 16))
			at += apart
		}
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			break
		}
		rest = rest[end+1:]
	}
	return list
}
