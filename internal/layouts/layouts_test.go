package layouts

import (
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/fake"
)

// The running kernel has every field where package attr has it; as another release's, its
// sizes are told.
func TestCheck(t *testing.T) {
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		t.Skipf("the running kernel does not describe its types: %v", err)
	}
	r, err := Check(spec, fake.Newest)
	require.NoError(t, err)
	for _, d := range r.Differ {
		assert.Regexp(t, `^(bpf_attr has|there are) `, d, "no field is elsewhere")
	}
	assert.Greater(t, r.Fields, 40)

	old := fake.Version(5, 1) // older than any known: sizes of 6.1
	r, err = Check(spec, old)
	require.NoError(t, err)
	if r.AttrSize > 144 {
		assert.NotEmpty(t, r.Differ)
	}
}

// A member that is moved is told, and one that is not there is no difference.
func TestMoved(t *testing.T) {
	u32 := &btf.Int{Name: "u32", Size: 4}
	at := func(name string, bytes uint32, typ btf.Type) btf.Member {
		return btf.Member{Name: name, Type: typ, Offset: btf.Bits(8 * bytes)}
	}
	detach := &btf.Struct{Name: "", Size: 8, Members: []btf.Member{at("link_fd", 4, u32)}}
	union := &btf.Union{Name: "bpf_attr", Size: 144, Members: []btf.Member{at("link_detach", 0, detach), at("", 0, &btf.Struct{
		Size: 8, Members: []btf.Member{at("attach_bpf_fd", 4, u32)},
	})}}
	have := map[string]field{}
	flatten(union, "", 0, have)
	assert.Equal(t, field{4, 4}, have["link_detach.link_fd"])
	assert.Equal(t, field{4, 4}, have["attach_bpf_fd"])
}
