package sim

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// calls is a program that calls a helper.
func calls(helper byte) []byte {
	return []byte{0x85, 0, 0, 0, helper, 0, 0, 0, 0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0}
}

// What the verifier says of helpers, as Linux 6.1, 6.12 and 7.3 do.
func TestHelpersOfTypes(t *testing.T) {
	dead := append([]byte{0xb7, 1, 0, 0, 1, 0, 0, 0, 0x15, 1, 1, 0, 1, 0, 0, 0}, calls(44)...)
	for _, c := range []struct {
		name    string
		release string
		typ     int
		insns   []byte
		license string
		want    string
	}{
		{"redirect_peer", "7.3", 3, calls(155), "GPL", ""},
		{"of tc", "7.3", 6, calls(9), "GPL", "program of this type cannot use helper bpf_skb_store_bytes#9\n"},
		{"of XDP", "7.3", 3, calls(44), "GPL", "program of this type cannot use helper bpf_xdp_adjust_head#44\n"},
		{"in the words of 6.1", "6.1", 3, calls(44), "GPL", "unknown func bpf_xdp_adjust_head#44\n"},
		{"of XDP, never called", "7.3", 3, dead, "GPL", ""},
		{"of nobody", "7.3", 3, calls(240), "GPL", "invalid func unknown#240\n"},
		{"of GPL's", "7.3", 3, calls(69), "MIT", "cannot call GPL-restricted function from non-GPL compatible program\n"},
		{"of a later release", "6.12", 3, calls(109), "GPL", "program of this type cannot use helper bpf_send_signal#109\n"},
		{"of this release", "6.16", 3, calls(109), "GPL", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProcess(t, Options{})
			p.sim = New(fake.New(fake.Linux(c.release)), Options{})
			log := p.put(bytes.Repeat([]byte{1}, 2000))
			attr := attrOf(c.typ, len(c.insns)/insnSize, p.put(c.insns), p.put(append([]byte(c.license), 0)), 1, 2000, log)
			_, _, errno := p.call(5, attr)
			text, err := p.at(log, 2000)
			require.NoError(t, err)
			said, _, _ := bytes.Cut(text, []byte{0})
			if c.want == "" {
				require.Zero(t, errno)
				require.Contains(t, string(said), "processed ")
				return
			}
			require.Equal(t, mprog.EINVAL, errno)
			require.Contains(t, string(said), "\n"+c.want)
			native.PutUint32(attr[28:], 9) // bytes of log
			_, _, errno = p.call(5, attr)
			require.Equal(t, mprog.ENOSPC, errno)
			begin := string(said[:8])
			if c.release != "6.1" {
				begin = string(said[len(said)-8:])
			}
			require.Equal(t, begin+"\x00", string(text[:9]))
		})
	}
}

// Every file can be read, and has tc's types.
func TestHelperFiles(t *testing.T) {
	files, err := helperFiles.ReadDir("helpers")
	require.NoError(t, err)
	for _, f := range files {
		lines, err := readFile(helperFiles, "helpers", f.Name())
		require.NoError(t, err)
		p, err := readPermissions(lines)
		require.NoError(t, err)
		require.True(t, p.types["sched_cls"][1], f.Name())
		require.NotEmpty(t, p.none)
		require.NotEmpty(t, p.others)
		require.Greater(t, p.count, int32(200))
	}
	for _, r := range fake.Releases() {
		_, err := permissionsOf(r)
		require.NoError(t, err)
	}
}
