package sim

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/layout"
	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/intercept/notify"
)

// taskHere is this thread, whose cgroup must be the root for its id to be known.
func taskHere(t *testing.T) *machine.Task {
	name, err := os.ReadFile("/proc/thread-self/comm")
	require.NoError(t, err)
	task := &machine.Task{
		Started: 1, Memory: ownMemory, PID: uint32(unix.Gettid()), TGID: uint32(unix.Getpid()), UID: uint32(unix.Getuid()), GID: uint32(unix.Getgid()), Name: strings.TrimSuffix(string(name), "\n"),
	}
	groups, err := os.ReadFile("/proc/thread-self/cgroup")
	require.NoError(t, err)
	if strings.HasSuffix(string(groups), "0::/\n") {
		task.Cgroups = []uint64{1}
	}
	return task
}

// ownMemory reads this process's memory.
func ownMemory(address uint64, p []byte) int {
	n, err := notify.Memory{TID: uint32(unix.Gettid())}.ReadSome(address, p)
	if err != nil {
		return 0
	}
	return n
}

// inTask calls a helper with the current task's address in a register: its own, or one
// that follows from fields of it.
func inTask(s step, reg asm.Register, through ...int16) step {
	n := len(s.insns) - 1
	insns := asm.Instructions{asm.FnGetCurrentTaskBtf.Call()}
	for _, at := range through {
		insns = append(insns, asm.LoadMem(asm.R0, asm.R0, at, asm.DWord))
	}
	insns = append(append(append(insns, asm.Mov.Reg(asm.R9, asm.R0)), s.insns[:n]...), asm.Mov.Reg(reg, asm.R9), s.insns[n])
	return step{name: s.name, insns: insns}
}

// counted counts in the value that a helper has returned.
func counted(s step) step {
	labels++
	none := fmt.Sprint("none", labels)
	s.insns = append(s.insns, asm.JEq.Imm(asm.R0, 0, none), asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord), asm.Mov.Reg(asm.R0, asm.R1), asm.Mov.Reg(asm.R1, asm.R0).WithSymbol(none))
	return s
}

// createFlags are those of helpers of storages; where the running kernel has no memory for
// a value at once, as was seen of Linux 7.3 in an emulated machine, none
// that make one.
func (j *judge) createFlags() []int {
	c := &trial{typ: ebpf.SchedCLS, frame: make([]byte, 64), steps: []step{
		counted(inTask(callStep(asm.FnTaskStorageGet, mapRef(theTaskStorage), 0, 0, 1), asm.R2)),
	}}
	o, err := j.real(c)
	if err == nil && native.Uint64(o.Memory) == 0 {
		j.t.Log("the running kernel has no memory for storages at once: no values are made")
		return []int{0, 2}
	}
	j.renew(theTaskStorage)
	return []int{0, 1, 1, 2}
}

// onTask does something with the current task, or for it; user is an address of memory of
// its own.
func onTask(r *rand.Rand, of *layout.Types, user int64, creates []int) step {
	at := func(structure, field string) int16 { return int16(of.Structure(structure)[field].Offset) }
	toCgroup := []int16{at("task_struct", "cgroups"), at("css_set", "dfl_cgrp")}
	out := place{outputAt + 32*r.IntN(16)}
	initial, create := oneOf[any](r, 0, inputPlace(r)), oneOf(r, creates...)
	switch r.IntN(8) {
	case 0:
		name := oneOf(r, "pid", "tgid")
		return step{name: "task's " + name, insns: asm.Instructions{asm.FnGetCurrentTaskBtf.Call(), asm.LoadMem(asm.R0, asm.R0, at("task_struct", name), asm.Word)}}
	case 1:
		s := callStep(asm.FnProbeReadKernel, out, 16)
		s.insns = append(asm.Instructions{asm.FnGetCurrentTask.Call(), asm.Mov.Reg(asm.R3, asm.R0), asm.Add.Imm(asm.R3, int32(at("task_struct", "comm")))}, s.insns...)
		s.name = "task's name"
		return s
	case 2, 3:
		return counted(inTask(callStep(asm.FnTaskStorageGet, mapRef(theTaskStorage), 0, initial, create), asm.R2))
	case 4:
		return inTask(callStep(asm.FnTaskStorageDelete, mapRef(theTaskStorage), 0), asm.R2)
	case 5:
		return counted(inTask(callStep(asm.FnCgrpStorageGet, mapRef(theCgroupStorage), 0, initial, create), asm.R2, toCgroup...))
	case 6:
		return inTask(callStep(asm.FnCgrpStorageDelete, mapRef(theCgroupStorage), 0), asm.R2, toCgroup...)
	}
	return callStep(oneOf(r, asm.FnProbeReadUser, asm.FnProbeReadUserStr), out, oneOf(r, 1, 5, 8, 16, 30), oneOf[any](r, user, user+3, 8, int64(-1<<40)))
}

// withCgroups puts cgroups into an array, there and here: the root, in which this task is,
// and one below it. The last element stays empty.
func (j *judge) withCgroups() {
	t := j.t
	root := ""
	mounts, err := os.ReadFile("/proc/self/mounts")
	require.NoError(t, err)
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" && root == "" {
			root = f[1]
		}
	}
	below := root + "/nkconform-judge"
	if root == "" || j.p.task.Cgroups == nil || unix.Mkdir(below, 0o755) != nil {
		t.Log("no cgroups can be made here: whether somebody is below one is tried with none")
		return
	}
	t.Cleanup(func() { unix.Rmdir(below) })
	j.p.targets = map[uint32]Target{}
	for i, path := range []string{root, below} {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		require.NoError(t, err)
		require.NoError(t, j.kernel[theCgroups].Put(uint32(i), uint32(fd)))
		j.p.targets[uint32(fd)] = Target{Kind: CgroupTarget, ID: uint64(i + 1)}
		j.p.must(2, attrOf(j.here[theCgroups], 0, j.p.put(native.AppendUint32(nil, uint32(i))), j.p.put(native.AppendUint32(nil, uint32(fd))), uint64(0)))
		unix.Close(fd)
	}
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
	j.withCgroups()
	helpers = append(helpers, asm.FnSkbUnderCgroup, asm.FnCurrentTaskUnderCgroup)
	var may []asm.BuiltinFunc
	for _, fn := range helpers {
		if features.HaveProgramHelper(ebpf.SchedCLS, fn) == nil {
			may = append(may, fn)
		} else {
			t.Logf("the running kernel has no %s for programs of tc", fn)
		}
	}
	var of *layout.Types
	if features.HaveProgramHelper(ebpf.SchedCLS, asm.FnGetCurrentTaskBtf) == nil && features.HaveProgramHelper(ebpf.SchedCLS, asm.FnCgrpStorageGet) == nil {
		of = kernelTypes(t)
	} else {
		t.Log("programs of tc get no tasks from the running kernel")
	}
	user := []byte("a text of user space\x00 and more of it")
	var pinned runtime.Pinner
	pinned.Pin(&user[0])
	defer pinned.Unpin()
	creates := j.createFlags()
	r := rand.New(rand.NewPCG(1, 0))
	j.all(400, func() *trial {
		c := &trial{typ: ebpf.SchedCLS, frame: randomFrame(r)}
		for range 1 + r.IntN(6) {
			if of != nil && r.IntN(2) == 0 {
				c.steps = append(c.steps, onTask(r, of, int64(uintptr(unsafe.Pointer(&user[0]))), creates))
				continue
			}
			fn, level := oneOf(r, may...), oneOf(r, 0, 0, 1, 7, -1&0xffffffff)
			switch fn {
			case asm.FnGetCurrentComm:
				c.steps = append(c.steps, callStep(fn, place{outputAt + 32*r.IntN(16)}, 1+r.IntN(24)))
			case asm.FnSkbUnderCgroup:
				c.steps = append(c.steps, callStep(fn, theContext, mapRef(theCgroups), oneOf(r, 0, 1, 2, 3, -1&0xffffffff)))
			case asm.FnCurrentTaskUnderCgroup:
				c.steps = append(c.steps, callStep(fn, mapRef(theCgroups), oneOf(r, 0, 1, 2, 3, -1&0xffffffff)))
			case asm.FnGetCurrentAncestorCgroupId:
				c.steps = append(c.steps, callStep(fn, level))
			default:
				c.steps = append(c.steps, callStep(fn, theContext, level))
			}
		}
		return c
	})
}
