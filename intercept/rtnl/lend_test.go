package rtnl

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

// A qdisc is the running kernel's with the first filter of another kind, or if it shares
// its filters, where that kernel takes it; it then has no programs.
func TestLend(t *testing.T) {
	block := appendU32(nil, tcIngressBlock, 22)
	for _, tc := range []struct {
		name     string
		refusal  mprog.Errno // of the running kernel, to the qdisc
		block    bool
		programs bool // are on the qdisc
		errno    mprog.Errno
		words    string
	}{
		{name: "a filter"},
		{name: "a shared block", block: true},
		{name: "a filter where a program is", programs: true, errno: mprog.EOPNOTSUPP, words: "filters of kind flower are not simulated"},
		{name: "a filter where a device is redirected", refusal: mprog.EEXIST, errno: mprog.EOPNOTSUPP,
			words: "filters of kind flower where programs of BPF see what a device sends and receives are not simulated"},
		{name: "a filter where the kernel has no such qdisc", refusal: mprog.ENOENT, errno: mprog.EOPNOTSUPP, words: "filters of kind flower are not simulated"},
		{name: "a shared block where the kernel has no such qdisc", refusal: mprog.ENOENT, block: true, errno: mprog.EOPNOTSUPP,
			words: "blocks of filters that qdiscs share are not simulated"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFiltering(t)
			var asked []message
			f.Forward = func(request []byte) [][]byte {
				m := split(request)[0]
				asked = append(asked, m)
				errno := tc.refusal
				if m.typ != newQdisc {
					errno = 0
				}
				return [][]byte{answerTo(m, f.Port, errno, false)}
			}
			qdisc := func(more ...[]byte) (mprog.Errno, string) {
				return f.ask(newQdisc, create, lo, 0, clsactParent, 0, append([][]byte{kindOf("clsact")}, more...)...)
			}
			program := func() (mprog.Errno, string) {
				return f.ask(newFilter, create, lo, 0, onIn, 1<<16|0x0300, kindOf("bpf"), f.options())
			}
			var errno mprog.Errno
			var words string
			if tc.block {
				errno, words = qdisc(block)
			} else {
				errno, _ = qdisc()
				require.Zero(t, errno)
				require.Empty(t, asked)
				if tc.programs {
					errno, _ = program()
					require.Zero(t, errno)
				}
				errno, words = f.ask(newFilter, create, lo, 0, onIn, 2<<16|0x0300, kindOf("flower"))
			}
			require.Equal(t, tc.errno, errno)
			if tc.errno != 0 {
				require.Equal(t, "nkconform: "+tc.words, words)
				require.Equal(t, []string{tc.words}, f.warnings)
				require.False(t, f.server.Lent(f.Netns, lo))
				return
			}
			require.Empty(t, f.warnings)
			require.Equal(t, newQdisc, int(asked[0].typ))
			require.True(t, f.server.Lent(f.Netns, lo))
			errno, words = program()
			require.Equal(t, mprog.EOPNOTSUPP, errno)
			require.Contains(t, words, "programs of BPF beside filters of other kinds")
			asked = nil
			errno, _ = f.ask(delQdisc, 0, lo, 0, clsactParent, 0)
			require.Zero(t, errno)
			require.Equal(t, delQdisc, int(asked[len(asked)-1].typ))
			require.False(t, f.server.Lent(f.Netns, lo))
			errno, _ = qdisc()
			require.Zero(t, errno)
			errno, _ = program()
			require.Zero(t, errno)
		})
	}
}

// Without a block the simulated kernel says that there is none, also to programs.
func TestNoSharedBlock(t *testing.T) {
	f := newFiltering(t)
	errno, _ := f.ask(newFilter, create, magicBlock, 0, 0, 1<<16|0x0300, kindOf("bpf"), f.options())
	require.Equal(t, mprog.EINVAL, errno)
	require.Empty(t, f.warnings)
}
