package layout

import (
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"
)

// What is read of the running kernel is what another reader of BTF finds.
func TestRunning(t *testing.T) {
	types, err := Running()
	if err != nil {
		t.Skip("the running kernel tells of no types: ", err)
	}
	spec, err := btf.LoadKernelSpec()
	require.NoError(t, err)
	for _, name := range []string{"sk_buff", "net_device", "xdp_buff", "sock"} {
		var s *btf.Struct
		require.NoError(t, spec.TypeByName(name, &s))
		id, err := spec.TypeID(s)
		require.NoError(t, err)
		require.Equal(t, uint32(id), types.StructureID(name))
		require.Equal(t, name, types.StructureName(uint32(id)))
		got := types.Structure(name)
		seen := 0
		for _, m := range s.Members {
			if m.Name == "" || m.BitfieldSize > 0 {
				continue
			}
			size, err := btf.Sizeof(m.Type)
			if err != nil {
				continue // an incomplete type
			}
			require.Equal(t, Field{uint32(m.Offset.Bytes()), uint32(size)}, got[m.Name], "%s.%s", name, m.Name)
			seen++
		}
		require.NotZero(t, seen)
	}
	require.NotZero(t, types.Structure("sk_buff")["mark"], "in a part without a name")
	require.NotZero(t, types.Structure("sock")["__sk_common.skc_family"], "in a part with one")
	var f *btf.Func
	require.NoError(t, spec.TypeByName("bpf_cast_to_kern_ctx", &f))
	id, err := spec.TypeID(f)
	require.NoError(t, err)
	require.Equal(t, "bpf_cast_to_kern_ctx", types.Function(uint32(id)))
	require.Equal(t, uint32(id), types.FunctionID("bpf_cast_to_kern_ctx"))
	require.Empty(t, types.Function(1<<30))
	require.Nil(t, types.Structure("no such"))
}

// Whatever it is, it is read or refused.
func FuzzParse(f *testing.F) {
	f.Add([]byte{})
	f.Add(append([]byte{0x9f, 0xeb, 1, 0, 24, 0, 0, 0}, make([]byte, 40)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		types, err := Parse(data)
		if err != nil {
			return
		}
		for id := range types.offsets {
			types.Function(uint32(id))
			if name := types.StructureName(uint32(id)); name != "" {
				types.Structure(name)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	if _, err := Running(); err != nil {
		b.Skip("the running kernel tells of no types: ", err)
	}
	types, _ := Running()
	for b.Loop() {
		clear(types.structures)
		types.Structure("sk_buff")
	}
}
