package picture_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/internal/picture"
	"github.com/nkconform/nkconform/mprog"
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

// What is written for cilium/ebpf is compiled with it.
func TestGoCodeCompiles(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no Go to compile with:", err)
	}
	lines := append(stage[:len(stage):len(stage)],
		"attach nk0:primary a", "attach nk0:primary b flags=before", "attach nk0:primary c flags=after", "attach nk0:primary d flags=replace replace_bpf_fd=c",
		"attach nk0:primary e flags=before relative_fd=a", "attach nk0:primary f flags=after+id relative_id=a expected_revision=6", "detach nk0:primary a flags=after relative_fd=e",
		"query nk0:primary", "link l nk0:peer a", "link m v0:ingress b flags=before", "link n nk0:peer c flags=before+link relative_fd=l", "link o nk0:peer d flags=after+link+id relative_id=l",
		"detach nk0:peer b flags=before+id relative_id=l+1", "link-update m c", "pin /sys/fs/bpf/l l", "get x /sys/fs/bpf/l", "pin /sys/fs/bpf/a a", "get y /sys/fs/bpf/a", "unlink /sys/fs/bpf/a",
		"prog-fd z a", "link-fd w l", "info l", "close m",
		"cgroup g", "prog k s type=cgroup_skb", "attach g:cgroup_inet_ingress k flags=multi+before", "attach g:cgroup_inet_ingress s flags=multi+preorder+after relative_fd=k",
		"attach g:cgroup_inet_ingress s flags=multi+replace replace_bpf_fd=k", "detach g:cgroup_inet_ingress k expected_revision=2", "query g:cgroup_inet_ingress query_flags=1",
		"link h g:cgroup_inet_egress k")
	for at := range mprog.AttachType(64) {
		if at.Cgroup() {
			lines = append(lines, "query g:"+at.String())
		}
	}
	all := coded(t, lines)
	var b strings.Builder
	b.WriteString("package gocode\n\nimport (\n\t\"os\"\n\n\t\"github.com/cilium/ebpf\"\n\t\"github.com/cilium/ebpf/link\"\n)\n\n" +
		"var (\n\t_ = os.Remove\n\t_ ebpf.ProgramID\n\t_ link.ID\n)\n")
	written := 0
	for i, line := range lines {
		text := all[line]["go"].Text
		if text == "" {
			continue
		}
		written++
		made, _, _ := strings.Cut(text, " := ")
		var used []string
		for _, name := range strings.Split(made, ", ") {
			used = append(used, "\t_ = "+name+"\n")
		}
		fmt.Fprintf(&b, "\nfunc _(nk0, v0 int, g *os.File, a, b, c, d, e, f, k, s *ebpf.Program, l, m, n link.Link, aID ebpf.ProgramID, lID link.ID) { // %d: %s\n\t{\n\t%s\n%s\t}\n}\n",
			i, line, strings.ReplaceAll(text, "\n", "\n\t"), strings.Join(used, ""))
	}
	require.Greater(t, written, 20)
	file := filepath.Join(t.TempDir(), "gocode.go")
	require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o644))
	here, err := filepath.Abs("gocode/gocode.go") // which is not there but for the compiler
	require.NoError(t, err)
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{here: file}})
	require.NoError(t, err)
	list := filepath.Join(t.TempDir(), "overlay.json")
	require.NoError(t, os.WriteFile(list, overlay, 0o644))
	c := exec.Command("go", "build", "-overlay", list, "./gocode")
	c.Env = append(os.Environ(), "GOOS=linux", "CGO_ENABLED=0")
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s\n%s", out, b.String())
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
