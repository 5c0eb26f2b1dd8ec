//go:build amd64 || arm64

package intercept

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

func (s *sampler) records() error {
	fd, p, err := s.open("records", 0, 1, nil)
	if err != nil {
		return err
	}
	page(p)
	for _, n := range []int{0, 1, 4, 5, 12, 13} {
		s.say(fmt.Sprintf("%d bytes", n), currentCPU, n)
	}
	s.say("none, 20 of the packet", 20<<32|currentCPU, 0)
	s.say("3 and 64 of the packet", 64<<32, 3)
	page(p)
	s.read(p, unix.PERF_SAMPLE_RAW)
	return errors.Join(unix.Munmap(p), unix.Close(fd))
}

// room fills a buffer, and goes on round its end.
func (s *sampler) room() error {
	fd, p, err := s.open("room", 0, 1, nil)
	if err != nil {
		return err
	}
	for i := range 3 {
		n := 0
		for s.write(currentCPU, 1300) == 0 {
			n++
		}
		fmt.Printf("round %d: %d fit\n", i, n)
		s.say("the last bytes", currentCPU, 4)
		s.say("without room", currentCPU, 600)
		page(p)
		s.read(p, unix.PERF_SAMPLE_RAW)
		s.say("after all was read", currentCPU, 8)
		s.read(p, unix.PERF_SAMPLE_RAW)
	}
	return errors.Join(unix.Munmap(p), unix.Close(fd))
}

func (s *sampler) ioctls() error {
	fd, p, err := s.open("ioctls", 0, 1, func(a *unix.PerfEventAttr) { a.Bits = unix.PerfBitDisabled })
	if err != nil {
		return err
	}
	do := func(what string, request uint, arg int) {
		fmt.Println(what+":", errnoText(unix.IoctlSetInt(fd, request, arg)))
		s.say("  then", currentCPU, 8)
	}
	s.say("disabled", currentCPU, 8)
	do("enable", unix.PERF_EVENT_IOC_ENABLE, 0)
	do("disable", unix.PERF_EVENT_IOC_DISABLE, 0)
	do("enable", unix.PERF_EVENT_IOC_ENABLE, 0)
	do("pause", unix.PERF_EVENT_IOC_PAUSE_OUTPUT, 1)
	do("go on", unix.PERF_EVENT_IOC_PAUSE_OUTPUT, 0)
	do("reset", unix.PERF_EVENT_IOC_RESET, 0)
	do("no program's fd", unix.PERF_EVENT_IOC_SET_BPF, 4711)
	do("a program of another type", unix.PERF_EVENT_IOC_SET_BPF, s.program.FD())
	do("output to itself", unix.PERF_EVENT_IOC_SET_OUTPUT, fd)
	do("output to nothing", unix.PERF_EVENT_IOC_SET_OUTPUT, 4711)
	do("output to its own", unix.PERF_EVENT_IOC_SET_OUTPUT, -1)
	s.read(p, unix.PERF_SAMPLE_RAW)

	other, _, err := s.open("other", 1, -1, nil)
	if err != nil {
		return err
	}
	s.say("other, unmapped", 1, 8)
	fmt.Println("other to the first:", errnoText(unix.IoctlSetInt(other, unix.PERF_EVENT_IOC_SET_OUTPUT, fd)))
	s.say("other", 1, 16)
	s.say("first", 0, 8)
	s.read(p, unix.PERF_SAMPLE_RAW)
	fmt.Println("other to none:", errnoText(unix.IoctlSetInt(other, unix.PERF_EVENT_IOC_SET_OUTPUT, -1)))
	s.say("other", 1, 16)
	return errors.Join(unix.Munmap(p), unix.Close(fd), unix.Close(other), s.events.Delete(uint32(1)))
}

// mappings are what is refused, and what begins anew.
func (s *sampler) mappings() error {
	fd, _, err := s.open("mappings", 0, -1, nil)
	if err != nil {
		return err
	}
	size := os.Getpagesize()
	try := func(what string, offset int64, pages, prot int) []byte {
		p, err := unix.Mmap(fd, offset, pages*size, prot, unix.MAP_SHARED)
		fmt.Printf("map %s: %s\n", what, errnoText(err))
		return p
	}
	const both = unix.PROT_READ | unix.PROT_WRITE
	try("4 pages", 0, 4, both)
	try("from the second page on", int64(size), 3, both)
	alone := try("1 page", 0, 1, both)
	s.say("no data", 0, 8)
	page(alone)
	fmt.Println("unmap:", unix.Munmap(alone))
	p := try("3 pages", 0, 3, both)
	s.say("a sample", 0, 8)
	try("5 pages", 0, 5, both)
	again := try("3 pages again", 0, 3, both)
	page(again)
	fmt.Println("unmap:", unix.Munmap(p))
	s.say("a sample", 0, 8)
	page(again)
	fmt.Println("unmap:", unix.Munmap(again))
	p = try("5 pages", 0, 5, both)
	page(p)
	s.say("a sample", 0, 8)
	s.read(p, unix.PERF_SAMPLE_RAW)
	return errors.Join(unix.Munmap(p), unix.Close(fd))
}

// waking is when those who wait are woken.
func (s *sampler) waking() error {
	open := func(name string, index uint32, change func(*unix.PerfEventAttr)) ([]byte, func() error, error) {
		fd, p, err := s.open(name, index, 1, change)
		if err == nil {
			err = s.await(fd)
		}
		return p, func() error { return errors.Join(unix.Munmap(p), unix.Close(fd), unix.Close(s.set)) }, err
	}
	for _, each := range []struct {
		name   string
		change func(*unix.PerfEventAttr)
	}{
		{"each", nil},
		{"third", func(a *unix.PerfEventAttr) { a.Wakeup = 3 }},
		{"never", func(a *unix.PerfEventAttr) { a.Wakeup = 0 }},
		{"bytes", func(a *unix.PerfEventAttr) { a.Bits, a.Wakeup = unix.PerfBitWatermark, 900 }},
		{"half", func(a *unix.PerfEventAttr) { a.Bits, a.Wakeup = unix.PerfBitWatermark, 0 }},
	} {
		p, end, err := open(each.name, 0, each.change)
		if err != nil {
			return err
		}
		s.ready("nothing")
		for i := range 7 {
			s.say("600 bytes", 0, 600)
			s.ready(fmt.Sprintf("sample %d", i+1))
		}
		s.ready("asking again")
		binary.NativeEndian.PutUint64(p[tailAt:], at64(p, headAt))
		s.ready("reading")
		s.say("600 bytes", 0, 600)
		s.ready("one more")
		if err := end(); err != nil {
			return err
		}
	}
	fd, p, err := s.open("late", 0, 1, nil)
	if err != nil {
		return err
	}
	s.say("8 bytes", 0, 8)
	if err := s.await(fd); err != nil { // nobody tells it of the sample
		return err
	}
	s.ready("coming late")
	return errors.Join(unix.Munmap(p), unix.Close(fd))
}

// backward writes over what is old, from the end of the buffer to its front.
func (s *sampler) backward() error {
	a := outputAttr(func(a *unix.PerfEventAttr) { a.Bits = unix.PerfBitWriteBackward })
	fd, err := unix.PerfEventOpen(&a, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return err
	}
	if err := s.events.Put(uint32(0), uint32(fd)); err != nil {
		return err
	}
	p, err := unix.Mmap(fd, 0, 2*os.Getpagesize(), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	for i := range 9 {
		s.say("backward", 0, 600+8*i)
	}
	fmt.Println("pause:", unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_PAUSE_OUTPUT, 1))
	s.say("paused", 0, 8)
	head := at64(p, headAt)
	fmt.Println("  head", int64(head))
	for i, at := 0, head; i < 6; i++ {
		at += s.record(p[os.Getpagesize():], at, unix.PERF_SAMPLE_RAW)
	}
	return errors.Join(unix.Munmap(p), unix.Close(fd))
}

// fields are those of samples, and of what tells of lost ones.
func (s *sampler) fields() error {
	const all = unix.PERF_SAMPLE_RAW | unix.PERF_SAMPLE_TIME | unix.PERF_SAMPLE_TID | unix.PERF_SAMPLE_CPU | unix.PERF_SAMPLE_ID |
		unix.PERF_SAMPLE_STREAM_ID | unix.PERF_SAMPLE_IDENTIFIER | unix.PERF_SAMPLE_ADDR | unix.PERF_SAMPLE_PERIOD
	for _, types := range []uint64{unix.PERF_SAMPLE_RAW | unix.PERF_SAMPLE_TIME, all, unix.PERF_SAMPLE_TID, 0} {
		for _, bits := range []uint64{0, unix.PerfBitSampleIDAll} {
			fd, p, err := s.open("fields", 0, 1, func(a *unix.PerfEventAttr) { a.Sample_type, a.Bits = types, bits })
			if err != nil {
				return err
			}
			fmt.Printf("sample_type %#x, bits %#x\n", types, bits)
			s.say("9 bytes", 0, 9)
			s.read(p, types)
			for range 2 {
				_ = unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_PAUSE_OUTPUT, 1)
				s.write(0, 8)
			}
			_ = unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_PAUSE_OUTPUT, 0)
			s.say("after two lost ones", 0, 4)
			s.read(p, types)
			if err := errors.Join(unix.Munmap(p), unix.Close(fd)); err != nil {
				return err
			}
		}
	}
	return nil
}

// leaving takes events out of maps whose fds are closed, unless they are to stay.
func (s *sampler) leaving() error {
	for _, flags := range []uint32{0, 1 << 11} {
		m, err := s.newEvents(flags)
		if err != nil {
			return err
		}
		info, err := m.Info()
		if err != nil {
			return err
		}
		id, _ := info.ID()
		second, err := ebpf.NewMapFromID(id)
		if err != nil {
			return err
		}
		a := outputAttr(nil)
		fd, err := unix.PerfEventOpen(&a, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
		if err != nil {
			return err
		}
		if err := errors.Join(second.Put(uint32(0), uint32(fd)), m.Put(uint32(1), uint32(fd)), second.Close()); err != nil {
			return err
		}
		fmt.Printf("flags %#x: delete 0: %s, delete 1: %s\n", flags, errnoText(m.Delete(uint32(0))), errnoText(m.Delete(uint32(1))))
		if err := errors.Join(m.Close(), unix.Close(fd)); err != nil {
			return err
		}
	}
	// An event of another CPU, and of this thread.
	a := outputAttr(nil)
	for _, e := range []struct {
		what     string
		pid, cpu int
	}{{"of this thread", 0, -1}, {"of this thread on CPU 0", 0, 0}, {"of another CPU", -1, 1}} {
		if e.cpu >= runtime.NumCPU() {
			continue
		}
		fd, err := unix.PerfEventOpen(&a, e.pid, e.cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
		if err != nil {
			return err
		}
		if err := s.events.Put(uint32(0), uint32(fd)); err != nil {
			return err
		}
		p, err := unix.Mmap(fd, 0, 2*os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return err
		}
		s.say(e.what, 0, 8)
		if err := errors.Join(unix.Munmap(p), unix.Close(fd)); err != nil {
			return err
		}
	}
	return nil
}
