package sim

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	types "github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/features"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/intercept/machine"
)

// Maps of trials, whose fds differ.
const (
	theMemory = iota
	theConstants
	theRing
	theHash
	theQueue
	theTimers
	theStorage
	theTaskStorage
	theCgroupStorage
	theLocalStorage
	theCgroups
	theCPUs
	theLocked
	theDevices
	theTails
	mapCount

	mapMark = 0x7fff_0000 // before it, in place of an fd
)

// fds are those of the maps.
type fds [mapCount]int

// trialMaps are the maps of trials.
var trialMaps = [mapCount]ebpf.MapSpec{
	theMemory:        {Type: ebpf.Array, KeySize: 4, ValueSize: valueSize, MaxEntries: 1},
	theConstants:     {Type: ebpf.Array, KeySize: 4, ValueSize: constantsSize, MaxEntries: 1, Flags: readProg},
	theRing:          {Type: ebpf.RingBuf, MaxEntries: pageSize},
	theHash:          {Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 3},
	theQueue:         {Type: ebpf.Queue, ValueSize: 8, MaxEntries: 2},
	theStorage:       storageOf(ebpf.SkStorage),
	theTaskStorage:   storageOf(ebpf.TaskStorage),
	theCgroupStorage: storageOf(ebpf.MapType(cgrpStorage)),
	theLocalStorage:  {Type: ebpf.CGroupStorage, KeySize: 16, ValueSize: 8},
	theCgroups:       {Type: ebpf.CGroupArray, KeySize: 4, ValueSize: 4, MaxEntries: 3},
	theCPUs:          {Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: 2},
	theLocked:        {Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1, Key: number(4), Value: lockAndMore},
	theDevices:       {Type: ebpf.DevMap, KeySize: 4, ValueSize: 4, MaxEntries: 2},
	theTails:         {Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: 2},
	theTimers:        {Type: ebpf.Array, KeySize: 4, ValueSize: 24, MaxEntries: 2, Key: number(4), Value: timerAndMore},
}

// storageOf is a map with a number for each socket, task or cgroup.
func storageOf(typ ebpf.MapType) ebpf.MapSpec {
	return ebpf.MapSpec{Type: typ, KeySize: 4, ValueSize: 8, Flags: noPrealloc, Key: signed(4), Value: number(8)}
}

func signed(size uint32) *types.Int {
	return &types.Int{Name: "int", Size: size, Encoding: types.Signed}
}

func number(size uint32) *types.Int {
	return &types.Int{Name: fmt.Sprintf("number%d", size), Size: size}
}

// timerAndMore is a value that begins with a struct bpf_timer.
var timerAndMore = &types.Struct{Name: "timed", Size: 24, Members: []types.Member{
	{Name: "timer", Type: &types.Struct{Name: "bpf_timer", Size: 16, Members: []types.Member{
		{Name: "__opaque", Type: &types.Array{Index: number(4), Type: number(8), Nelems: 2}},
	}}},
	{Name: "more", Type: number(8), Offset: 16 * 8},
}}

// lockAndMore is a value that begins with a struct bpf_spin_lock.
var lockAndMore = &types.Struct{Name: "locked", Size: 8, Members: []types.Member{
	{Name: "lock", Type: &types.Struct{Name: "bpf_spin_lock", Size: 4, Members: []types.Member{{Name: "val", Type: number(4)}}}},
	{Name: "more", Type: number(4), Offset: 4 * 8},
}}

// renew makes a map anew, there and here.
func (j *judge) renew(i int) {
	j.kernel[i].Close()
	m, err := ebpf.NewMap(&trialMaps[i])
	require.NoError(j.t, err)
	j.t.Cleanup(func() { m.Close() })
	j.kernel[i] = m
	j.p.close(uint32(j.here[i]))
	j.here[i] = j.mapHere(&trialMaps[i])
}

// hasJudged fails the test if a helper that it is to have judged was not compared, though
// the running kernel has it for a type of programs.
func (j *judge) hasJudged() {
	if j.t.Skipped() || j.t.Failed() {
		return
	}
	for number := int32(1); machine.HelperName(number) != ""; number++ {
		name := machine.HelperName(number)
		if judgeOf(name) != j.t.Name() || j.same[number] {
			continue
		}
		has := func(typ ebpf.ProgramType) bool {
			return features.HaveProgramHelper(typ, asm.BuiltinFunc(number)) == nil
		}
		if has(ebpf.SchedCLS) || has(ebpf.XDP) || has(ebpf.CGroupSKB) {
			j.t.Errorf("no answer of bpf_%s has been compared", name)
		} else {
			j.t.Logf("the running kernel has no bpf_%s for programs that run here", name)
		}
	}
}

// mapHere makes a map here, with its types where it has to have some.
func (j *judge) mapHere(spec *ebpf.MapSpec) (fd int) {
	a := attrOf(int(spec.Type), spec.KeySize, spec.ValueSize, spec.MaxEntries, spec.Flags)
	if spec.Key != nil {
		b := new(types.Builder) // whose maker takes other arguments in other versions
		for _, typ := range []types.Type{spec.Key, spec.Value} {
			_, err := b.Add(typ)
			require.NoError(j.t, err)
		}
		raw, err := b.Marshal(nil, nil)
		require.NoError(j.t, err)
		of := j.p.must(18, attrOf(j.p.put(raw), uint64(0), len(raw)))
		a = append(a, make([]byte, createBTF-len(a))...)
		a = append(a, attrOf(of, 1, 2)...)
	}
	return int(j.p.must(0, a))
}
