package picture_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/internal/picture"
)

// coded plays lines and returns the code of each.
func coded(t *testing.T, lines []string) map[string]map[string]picture.Code {
	s := picture.New()
	all := map[string]map[string]picture.Code{}
	for _, line := range lines {
		step, err := s.Do(line)
		require.NoError(t, err, line)
		all[line] = map[string]picture.Code{}
		for _, c := range step.Code() {
			all[line][c.ID] = c
		}
	}
	return all
}

var stage = []string{"netkit nk0 nk1", "device v0", "prog a b c d e f"}

func TestCode(t *testing.T) {
	lines := append(stage[:len(stage):len(stage)],
		"attach nk0:primary a", "attach nk0:primary b flags=before relative_fd=a expected_revision=2",
		"link l nk0:primary c flags=after+id relative_id=b", "link-update l d flags=replace old_prog_fd=c",
		"attach nk0:primary e flags=before+after", "detach nk0:primary flags=before", "attach nk0:primary f size=12", "qdisc v0 clsact")
	all := coded(t, lines)
	for _, tc := range []struct{ line, id, want string }{
		{"attach nk0:primary a", "raw", `bpf(BPF_PROG_ATTACH, &(union bpf_attr){
    .target_ifindex = 3,                   /* nk0 */
    .attach_bpf_fd = 3,                    /* a */
    .attach_type = 54,                     /* BPF_NETKIT_PRIMARY */
}, 32)`},
		{"attach nk0:primary a", "libbpf", `err = bpf_prog_attach_opts(a_fd, if_nametoindex("nk0"), BPF_NETKIT_PRIMARY, NULL);`},
		{"attach nk0:primary b flags=before relative_fd=a expected_revision=2", "libbpf", `LIBBPF_OPTS(bpf_prog_attach_opts, opts,
    .flags = BPF_F_BEFORE,
    .relative_fd = a_fd,
    .expected_revision = 2);
err = bpf_prog_attach_opts(b_fd, if_nametoindex("nk0"), BPF_NETKIT_PRIMARY, &opts);`},
		{"attach nk0:primary b flags=before relative_fd=a expected_revision=2", "go", `err := link.RawAttachProgram(link.RawAttachProgramOptions{
	Target:           nk0,
	Program:          b,
	Attach:           ebpf.AttachNetkitPrimary,
	Anchor:           link.BeforeProgram(a),
	ExpectedRevision: 2,
})`},
		{"link l nk0:primary c flags=after+id relative_id=b", "libbpf", `/* of SEC("netkit/primary"), which says which hook */
LIBBPF_OPTS(bpf_netkit_opts, opts,
    .flags = BPF_F_AFTER,
    .relative_id = b_id);
struct bpf_link *l = bpf_program__attach_netkit(c, if_nametoindex("nk0"), &opts);`},
		{"link l nk0:primary c flags=after+id relative_id=b", "trace", "link l nk0:primary c flags=after+id relative_id=b = revision 4 [b c@l a]"},
		{"link-update l d flags=replace old_prog_fd=c", "libbpf", `LIBBPF_OPTS(bpf_link_update_opts, opts,
    .flags = BPF_F_REPLACE,
    .old_prog_fd = c_fd);
err = bpf_link_update(l_fd, d_fd, &opts);`},
		{"qdisc v0 clsact", "shell", "tc qdisc add dev v0 clsact"},
		{"netkit nk0 nk1", "shell", "ip link add nk0 type netkit peer name nk1"},
	} {
		require.Equal(t, tc.want, all[tc.line][tc.id].Text, "%s of %s", tc.id, tc.line)
	}
	for line, note := range map[string]string{
		"attach nk0:primary e flags=before+after": "no anchor", "detach nk0:primary flags=before": "only programs that are named", "attach nk0:primary f size=12": "chooses the size",
	} {
		require.Contains(t, all[line]["go"].Note, note, line)
		require.Empty(t, all[line]["go"].Text, line)
	}
}

// A cgroup is named by an fd.
func TestCodeOfCgroups(t *testing.T) {
	all := coded(t, []string{"cgroup g", "prog s type=cgroup_skb", "attach g:cgroup_inet_egress s flags=multi"})
	code := all["attach g:cgroup_inet_egress s flags=multi"]
	require.Contains(t, code["raw"].Text, ".target_fd = ")
	require.Contains(t, code["raw"].Text, "/* BPF_F_ALLOW_MULTI */")
	require.Equal(t, "LIBBPF_OPTS(bpf_prog_attach_opts, opts,\n    .flags = BPF_F_ALLOW_MULTI);\nerr = bpf_prog_attach_opts(s_fd, g_fd, BPF_CGROUP_INET_EGRESS, &opts);", code["libbpf"].Text)
	require.Equal(t, `err := link.RawAttachProgram(link.RawAttachProgramOptions{
	Target:  int(g.Fd()),
	Program: s,
	Attach:  ebpf.AttachCGroupInetEgress,
	Flags:   2, // BPF_F_ALLOW_MULTI
})`, code["go"].Text)
}
