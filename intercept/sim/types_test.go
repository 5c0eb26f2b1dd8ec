package sim

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// What kernels say to programs of two instructions, as Linux 6.12, 6.18 and 7.3 did.
func TestTypesOfPrograms(t *testing.T) {
	for _, c := range []struct {
		name    string
		release string
		typ     uint32
		at      uint32
		flags   uint32
		btf     uint32
		r0      byte
		want    mprog.Errno
		says    string // first line of the log; "": nothing but the last
	}{
		{"classifier", "7.3", 3, 0, 0, 0, 0, 0, ""},
		{"of no type", "7.3", 0, 0, 0, 0, 0, mprog.EINVAL, "nothing"},
		{"of a later type", "7.3", 33, 0, 0, 0, 0, mprog.EINVAL, "nothing"},
		{"not built in", "7.3", 20, 0, 0, 0, 0, mprog.EINVAL, "nothing"},
		{"attach type is looked at", "7.3", 18, 0, 0, 0, 0, mprog.EINVAL, "nothing"},
		{"attach type that fits", "7.3", 18, 10, 0, 0, 0, 0, ""},
		{"attach type of tracing", "7.3", 3, 59, 0, 0, 0, mprog.EINVAL, "nothing"},
		{"attach type of no release yet", "6.12", 3, 59, 0, 0, 0, 0, ""},
		{"must return 1", "7.3", 18, 19, 0, 0, 0, mprog.EINVAL, "At program exit the register R0 has smin=0 smax=0 should have been in [1, 1]"},
		{"returns 1", "7.3", 18, 19, 0, 0, 1, 0, ""},
		{"sleeps", "7.3", 3, 0, 16, 0, 0, mprog.EINVAL, "Program of this type cannot be sleepable"},
		{"sleeps in 6.12", "6.12", 3, 0, 16, 0, 0, mprog.EINVAL,
			"Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable"},
		{"tracepoint sleeps in 7.1", "7.1", 5, 0, 16, 0, 0, 0, ""},
		{"tracepoint does not in 6.18", "6.18", 5, 0, 16, 0, 0, mprog.EINVAL,
			"Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable"},
		{"system call", "7.3", 31, 0, 0, 0, 0, mprog.EINVAL, "Syscall programs can only be sleepable"},
		{"system call sleeps", "7.3", 31, 0, 16, 0, 0, 0, ""},
		{"tracing without target", "7.3", 26, 24, 0, 0, 0, mprog.EINVAL, "Tracing programs must provide btf_id"},
		{"tracing of many", "7.3", 26, 59, 0, 0, 0, 0, ""},
		{"tracing of an integer", "7.3", 26, 24, 0, 1, 0, mprog.EINVAL, "attach_btf_id 1 is not a function"},
		{"raw tracepoint", "7.3", 26, 23, 0, 1, 0, mprog.EINVAL, "attach_btf_id 1 is not a typedef"},
		{"tracing of a function", "7.3", 26, 24, 0, 2, 0, 0, ""},
		{"of a type behind all", "7.3", 26, 24, 0, 2_000_000_000, 0, mprog.EINVAL, "nothing"},
		{"hook", "7.3", 29, 27, 0, 3, 0, 0, ""},
		{"no hook", "7.3", 29, 27, 0, 2, 0, mprog.EINVAL, "attach_btf_id 2 points to wrong type name bpf_init"},
		{"extension of the kernel", "7.3", 28, 0, 0, 1, 0, mprog.EINVAL, "Cannot replace kernel functions"},
		{"operations without a structure", "7.3", 27, 0, 0, 0, 0, mprog.ENOTSUPP, ""},
		{"operations of an integer", "7.3", 27, 0, 0, 1, 0, mprog.ENOTSUPP, "attach_btf_id 1 is not a supported struct"},
		{"classifier with a target", "7.3", 3, 0, 0, 1, 0, mprog.EINVAL, "nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProcess(t, Options{})
			p.sim = New(fake.New(fake.Linux(c.release)), Options{Symbols: fewSymbols{}})
			log := p.put(make([]byte, 1000))
			attr := attrOf(c.typ, 2, p.put([]byte{0xb7, 0, 0, 0, c.r0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0}), p.put([]byte("GPL\x00")), 1, 1000, log)
			attr = append(attr, make([]byte, 160-len(attr))...)
			native.PutUint32(attr[loadFlags:], c.flags)
			native.PutUint32(attr[loadAttachType:], c.at)
			native.PutUint32(attr[loadAttachBTF:], c.btf)
			_, _, errno := p.call(5, attr)
			require.Equal(t, c.want, errno)
			text, err := p.at(log, 1000)
			require.NoError(t, err)
			said, _, _ := bytes.Cut(text, []byte{0})
			if c.says == "nothing" {
				require.Empty(t, string(said))
				return
			}
			if c.says != "" {
				require.Contains(t, string(said), c.says+"\nprocessed ")
				return
			}
			require.Regexp(t, "^processed ", string(said))
		})
	}
}

// fewSymbols is a kernel with an integer, a function and a hook.
type fewSymbols struct{}

func (fewSymbols) Type(id uint32) string {
	return []string{"", "int", "bpf_init", "bpf_lsm_file_mprotect"}[id]
}
func (fewSymbols) Tracepoint(string) bool                    { return false }
func (fewSymbols) Function(string) (address uint64, ok bool) { return 0, false }
func (fewSymbols) Types() []KernelTypes {
	return []KernelTypes{{Name: "vmlinux", Read: func() []byte { return []byte{1, 2, 3} }}}
}
func (fewSymbols) OtherTypes(fake.Release) string { return "" }
func (fewSymbols) Kind(id uint32) (kind uint32, ok bool) {
	if id > 3 {
		return 0, false
	}
	return []uint32{0, 1, btfFunction, btfFunction}[id], true
}

// The log's level, size and address go together.
func TestLogOfLoads(t *testing.T) {
	for _, c := range []struct {
		name        string
		level, size int
		buffer      bool
		want        mprog.Errno
	}{
		{"none", 0, 0, false, 0},
		{"level alone", 1, 0, false, 0},
		{"no level", 0, 100, true, mprog.EINVAL},
		{"no size", 1, 0, true, mprog.EINVAL},
		{"no buffer", 1, 100, false, mprog.EINVAL},
		{"unknown level", 16, 1000, true, mprog.EINVAL},
		{"too short", 1, 10, true, mprog.ENOSPC},
		{"all", 7, 1000, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProcess(t, Options{})
			log := uint64(0)
			if c.buffer {
				log = p.put(make([]byte, 1000))
			}
			attr := attrOf(3, 2, p.put([]byte{0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0}), p.put([]byte("GPL\x00")), c.level, c.size, log)
			_, _, errno := p.call(5, append(attr, make([]byte, 160-len(attr))...))
			require.Equal(t, c.want, errno)
		})
	}
}

// Every file can be read, and what may sleep or needs a target is what is loaded.
func TestTypeFiles(t *testing.T) {
	for _, r := range fake.Releases() {
		known, err := typesOf(r)
		require.NoError(t, err)
		require.NotEmpty(t, known.notSleepable)
		require.True(t, known.maps[1], r)
		require.True(t, known.load["sched_cls"][54], r)
		for _, sets := range []map[string]numbers{known.sleepable, known.target, known.one} {
			for name, set := range sets {
				for n := range set {
					require.True(t, known.load[name][n], "Linux %s: %s %d", r, name, n)
				}
			}
		}
	}
}
