package sim

import (
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/machine"
)

// taskHere is this thread, whose cgroup must be the root for its id to be known.
func taskHere(t *testing.T) *machine.Task {
	name, err := os.ReadFile("/proc/thread-self/comm")
	require.NoError(t, err)
	task := &machine.Task{
		PID: uint32(unix.Gettid()), TGID: uint32(unix.Getpid()), UID: uint32(unix.Getuid()), GID: uint32(unix.Getgid()), Name: strings.TrimSuffix(string(name), "\n"),
	}
	groups, err := os.ReadFile("/proc/thread-self/cgroup")
	require.NoError(t, err)
	if strings.HasSuffix(string(groups), "0::/\n") {
		task.Cgroups = []uint64{1}
	}
	return task
}

// TestJudgeTask has programs ask who runs them.
func TestJudgeTask(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	j := newJudge(t)
	j.p.task = taskHere(t)
	helpers := []asm.BuiltinFunc{asm.FnGetCurrentPidTgid, asm.FnGetCurrentUidGid, asm.FnGetCurrentComm, asm.FnSkbCgroupClassid, asm.FnGetNetnsCookie}
	if j.p.task.Cgroups != nil {
		helpers = append(helpers, asm.FnGetCurrentCgroupId, asm.FnGetCurrentAncestorCgroupId, asm.FnSkbCgroupId, asm.FnSkbAncestorCgroupId)
	} else {
		t.Log("this process is in a cgroup whose id is not known: helpers that tell it are not tried")
	}
	var may []asm.BuiltinFunc
	for _, fn := range helpers {
		if features.HaveProgramHelper(ebpf.SchedCLS, fn) == nil {
			may = append(may, fn)
		} else {
			t.Logf("the running kernel has no %s for programs of tc", fn)
		}
	}
	r := rand.New(rand.NewPCG(1, 0))
	j.all(200, func() *trial {
		c := &trial{typ: ebpf.SchedCLS, frame: randomFrame(r)}
		for range 1 + r.IntN(6) {
			fn, level := oneOf(r, may...), oneOf(r, 0, 0, 1, 7, -1&0xffffffff)
			switch fn {
			case asm.FnGetCurrentComm:
				c.steps = append(c.steps, callStep(fn, place{outputAt + 32*r.IntN(16)}, 1+r.IntN(24)))
			case asm.FnGetCurrentAncestorCgroupId:
				c.steps = append(c.steps, callStep(fn, level))
			default:
				c.steps = append(c.steps, callStep(fn, theContext, level))
			}
		}
		return c
	})
}
