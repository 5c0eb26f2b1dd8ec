package picture_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform"
	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/internal/picture"
)

// suite plays every scenario and calls f with each step, until the scenario's end.
func suite(t *testing.T, f func(id string, step *picture.Step)) {
	t.Helper()
	list, err := conformance.Load(nkconform.Scenarios())
	require.NoError(t, err)
	for _, sc := range list {
		s := picture.New(fake.Lacking(sc.Trace)...)
		for line := range strings.Lines(sc.Trace.String()) {
			step, err := s.Do(strings.TrimSuffix(line, "\n"))
			require.NoError(t, err, "%s: %s", sc.ID, line)
			f(sc.ID, &step)
		}
	}
}

// prelude is what a program in C has around the calls.
const prelude = `#include <linux/bpf.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline long bpf(int cmd, union bpf_attr *attr, unsigned int size)
{
	return syscall(SYS_bpf, cmd, attr, size);
}

int err;
__u32 next, prog_ids[64], link_ids[64], info_len;
struct bpf_prog_info info;
`

var (
	number  = regexp.MustCompile(`[A-Za-z]\w*_(?:fd|id)\b`)
	program = regexp.MustCompile(`bpf_program__attach_\w+\((\w+),`)
	which   = regexp.MustCompile(`\b[0-9]{1,9}\b|\b\w+_(fd|id)\b|/\*.*?\*/|"[^"]*"`) // what makes no difference to a compiler
	quoted  = regexp.MustCompile(`"[^"]*"|/\*.*?\*/`)
)

// newer are the kinds of code that older headers lack, found out by a line that takes them.
var newer = []struct{ kind, has, since, probe string }{
	{"libbpf 1.6", "attach_cgroup_opts", "libbpf 1.6", "(void)bpf_program__attach_cgroup_opts;"},
	{"bpf(2) of 6.17", "link_create.cgroup.", "Linux 6.17", "union bpf_attr a = {.link_create.cgroup.expected_revision = 1}; (void)a;"},
}

// function is code in a function of its own, with the variables that it takes.
func function(n int, text string) string {
	bare := quoted.ReplaceAllString(text, `""`)
	declared := map[string]string{}
	for _, at := range number.FindAllStringIndex(bare, -1) {
		before, behind := bare[:at[0]], bare[at[1]:]
		if !strings.HasSuffix(before, ".") && !strings.HasSuffix(before, "_") && !strings.HasPrefix(behind, "(") {
			declared["unsigned int "+bare[at[0]:at[1]]+" = 0;"] = ""
		}
	}
	for _, m := range program.FindAllStringSubmatch(bare, -1) {
		declared["struct bpf_program *"+m[1]+" = NULL;"] = ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\nvoid f%d(void)\n{\n", n)
	for d := range declared {
		b.WriteString(d + "\n")
	}
	if !strings.HasSuffix(text, ";") {
		text += ";"
	}
	return b.String() + text + "\n}\n"
}

// What is written in C, of every call of the suite, is compiled with libbpf. It takes
// one of 1.3 or newer: the system's, or else Debian's, which scripts/cc-libbpf.sh unpacks
// into the folder that NKCONFORM_LIBBPF names.
func TestCCodeCompiles(t *testing.T) {
	folder := os.Getenv("NKCONFORM_LIBBPF")
	if folder == "" {
		if err := exec.Command("pkg-config", "--atleast-version=1.3", "libbpf").Run(); err != nil {
			t.Skip("no libbpf of 1.3 or newer here, and NKCONFORM_LIBBPF names no folder to unpack one into, as make page does:", err)
		}
		folder = t.TempDir()
	}
	written := map[string]string{} // functions, by the kind of code
	count := map[string]int{}
	seen := map[string]bool{}
	suite(t, func(_ string, step *picture.Step) {
		for _, c := range step.Code() {
			kind := c.ID
			like := which.ReplaceAllString(c.Text, "0")
			if kind != "raw" && kind != "libbpf" || c.Text == "" || seen[like] {
				continue
			}
			for _, n := range newer {
				if strings.Contains(c.Text, n.has) {
					kind = n.kind
				}
			}
			seen[like] = true
			count[kind]++
			written[kind] += function(count[kind], c.Text)
		}
	})
	require.Greater(t, count["raw"], 100)
	require.Greater(t, count["libbpf"], 100)
	compiler, err := filepath.Abs("../../scripts/cc-libbpf.sh")
	require.NoError(t, err)
	compile := func(text string) (string, error) {
		dir := t.TempDir()
		file := filepath.Join(dir, "code.c")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		out, err := exec.Command(compiler, folder, filepath.Join(dir, "code.o"), "-Werror", "-Wno-unused", "-c", file).CombinedOutput()
		return string(out), err
	}
	if out, err := compile(prelude); err != nil {
		t.Skipf("no libbpf of 1.3 or newer can be had here: %s", out)
	}
	for kind, text := range written {
		lacks := false
		for _, n := range newer {
			require.Greater(t, count[n.kind], 10)
			if n.kind == kind {
				_, err := compile(prelude + "void f(void) { " + n.probe + " }\n")
				lacks = err != nil
				if lacks {
					t.Logf("not compiled: %d calls with %s, which is not in the headers here: it is new in %s", count[kind], n.has, n.since)
				}
			}
		}
		if lacks {
			continue
		}
		out, err := compile(prelude + text)
		require.NoError(t, err, "%s: %.4000s", kind, out)
		t.Logf("%s: %d calls compiled", kind, count[kind])
	}
}
