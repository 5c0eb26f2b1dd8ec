//go:build amd64 || arm64

package intercept

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// sampler runs a program that writes samples to perf events, and prints what becomes of
// them: the same on the simulated kernel and on a real one.
type sampler struct {
	program *ebpf.Program
	asked   *ebpf.Map // flags, length, what is written
	events  *ebpf.Map
	set     int // of epoll
	names   map[int]string
	entries uint32 // of maps of events
	ids     map[uint64]string
}

const (
	sampledLength = 4000 // at most
	askedSize     = 16 + 4096
)

// samplesTarget goes through what bpf_perf_event_output, the buffers and their ioctls do.
func samplesTarget() error {
	runtime.LockOSThread()
	var first unix.CPUSet
	first.Set(0)
	if err := unix.SchedSetaffinity(0, &first); err != nil {
		return err
	}
	s := &sampler{entries: 4, names: map[int]string{}, ids: map[uint64]string{}}
	if err := s.load(); err != nil {
		return err
	}
	for _, part := range []func() error{s.errors, s.records, s.room, s.ioctls, s.mappings, s.waking, s.backward, s.fields, s.leaving} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// load makes the program: it returns what the helper does.
func (s *sampler) load() (err error) {
	if s.asked, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: askedSize, MaxEntries: 1}); err != nil {
		return err
	}
	if s.events, err = s.newEvents(0); err != nil {
		return err
	}
	s.program, err = ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, s.asked.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "end"),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.LoadMapPtr(asm.R2, s.events.FD()),
		asm.LoadMem(asm.R3, asm.R0, 0, asm.DWord),
		asm.LoadMem(asm.R5, asm.R0, 8, asm.DWord),
		asm.JGT.Imm(asm.R5, sampledLength, "end"),
		asm.Mov.Reg(asm.R4, asm.R0),
		asm.Add.Imm(asm.R4, 16),
		asm.FnPerfEventOutput.Call(),
		asm.Return().WithSymbol("end"),
	}})
	return err
}

// newEvents makes a map of events.
func (s *sampler) newEvents(flags uint32) (*ebpf.Map, error) {
	fd, err := bpfCall(0, words(uint32(ebpf.PerfEventArray), 4, 4, s.entries, flags))
	if err != nil {
		return nil, err
	}
	return ebpf.NewMapFromFD(fd)
}

const currentCPU = 0xffff_ffff

// write has the program write so many bytes.
func (s *sampler) write(flags uint64, length int) int32 {
	value := binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(nil, flags), uint64(length))
	for i := range askedSize - 16 {
		value = append(value, byte(i+1))
	}
	if err := s.asked.Put(uint32(0), value); err != nil {
		return -1000
	}
	packet := make([]byte, 64)
	for i := range packet {
		packet[i] = byte(0xa0 + i)
	}
	r, err := s.program.Run(&ebpf.RunOptions{Data: packet})
	if err != nil {
		fmt.Println("run:", err)
		return -1000
	}
	return int32(r)
}

func (s *sampler) say(what string, flags uint64, length int) {
	fmt.Printf("%s: %d\n", what, s.write(flags, length))
}

// attributes are those of an event for samples.
func outputAttr(change func(*unix.PerfEventAttr)) unix.PerfEventAttr {
	a := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_BPF_OUTPUT, Sample_type: unix.PERF_SAMPLE_RAW, Sample: 1, Wakeup: 1}
	a.Size = uint32(unsafe.Sizeof(a))
	if change != nil {
		change(&a)
	}
	return a
}

// open makes an event of CPU 0, puts it at an index, and maps its buffer.
func (s *sampler) open(name string, index uint32, pages int, change func(*unix.PerfEventAttr)) (int, []byte, error) {
	a := outputAttr(change)
	fd, err := unix.PerfEventOpen(&a, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return -1, nil, fmt.Errorf("perf_event_open: %w", err)
	}
	var id uint64
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.PERF_EVENT_IOC_ID, uintptr(unsafe.Pointer(&id))); errno != 0 {
		return -1, nil, fmt.Errorf("id: %w", errno)
	}
	s.names[fd], s.ids[id] = name, name
	if err := s.events.Put(index, uint32(fd)); err != nil {
		return -1, nil, fmt.Errorf("put: %w", err)
	}
	if pages < 0 {
		return fd, nil, nil
	}
	p, err := unix.Mmap(fd, 0, (1+pages)*os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return fd, p, err
}

func (s *sampler) errors() error {
	s.say("nothing there", currentCPU, 8)
	s.say("index 4 of 4", 4, 8)
	s.say("unknown flags", 1<<60, 8)
	s.say("longer than the packet", 65<<32|currentCPU, 8)
	other := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_DUMMY}
	other.Size = uint32(unsafe.Sizeof(other))
	fd, err := unix.PerfEventOpen(&other, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return err
	}
	fmt.Println("put a counter:", s.events.Put(uint32(0), uint32(fd)))
	s.say("a counter", 0, 8)
	for _, put := range []struct {
		what string
		err  error
	}{
		{"put a program", s.events.Put(uint32(0), uint32(s.program.FD()))},
		{"put nothing", s.events.Put(uint32(0), uint32(4711))},
		{"put at 4", s.events.Put(uint32(4), uint32(fd))},
		{"put what is new", s.events.Update(uint32(0), uint32(fd), ebpf.UpdateNoExist)},
	} {
		fmt.Println(put.what+":", errnoText(put.err))
	}
	fmt.Println("delete:", errnoText(s.events.Delete(uint32(0))), errnoText(s.events.Delete(uint32(0))))
	fd, _, err = s.open("unmapped", 0, -1, nil)
	if err != nil {
		return err
	}
	s.say("without a buffer", 0, 8)
	fmt.Println("pause:", unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_PAUSE_OUTPUT, 1))
	return unix.Close(fd)
}

func errnoText(err error) string {
	var errno unix.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &errno):
		return unix.ErrnoName(errno)
	case errors.Is(err, ebpf.ErrKeyNotExist):
		return "ENOENT"
	case errors.Is(err, ebpf.ErrKeyExist):
		return "EEXIST"
	}
	return err.Error()
}
