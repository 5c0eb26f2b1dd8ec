//go:build amd64 || arm64

package intercept

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/sim"
)

// Every tracepoint that a release is said to have has a format of that release.
func TestFormats(t *testing.T) {
	for _, r := range recordedReleases {
		for _, point := range tracepointsOf(r) {
			_, ok := formatOf(r, point, 1)
			require.True(t, ok, "%s of %s", point, r)
		}
	}
}

// As Linux 7.3 prints them.
func TestFormatText(t *testing.T) {
	const common = "format:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n" +
		"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n" +
		"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n" +
		"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
	text, _ := formatOf(fake.Version(7, 3), "sched/sched_process_exec", 327)
	require.Equal(t, "name: sched_process_exec\nID: 327\n"+common+
		"\tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;\n"+
		"\tfield:pid_t pid;\toffset:12;\tsize:4;\tsigned:1;\n\tfield:pid_t old_pid;\toffset:16;\tsize:4;\tsigned:1;\n\n"+
		"print fmt: \"filename=%s pid=%d old_pid=%d\", __get_str(filename), REC->pid, REC->old_pid\n", text)
	require.Equal(t, "name: ours\nID: 1666\n"+common+"\tfield:unsigned long __probe_ip;\toffset:8;\tsize:8;\tsigned:0;\n\n"+
		"print fmt: \"(%lx)\", REC->__probe_ip\n", probeFormat("ours", 1666, sim.PerfKprobe))
	require.Equal(t, "name: back\nID: 1667\n"+common+"\tfield:unsigned long __probe_func;\toffset:8;\tsize:8;\tsigned:0;\n"+
		"\tfield:unsigned long __probe_ret_ip;\toffset:16;\tsize:8;\tsigned:0;\n\n"+
		"print fmt: \"(%lx <- %lx)\", REC->__probe_func, REC->__probe_ret_ip\n", probeFormat("back", 1667, sim.PerfKretprobe))
}
