package source

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// code is a kernel's files in this process, once for all machines.
type code struct {
	mu     sync.Mutex // held while they run: they know one machine at a time
	enter  uintptr    // nk_enter
	stack  []byte     // that they run on
	spare  []*memory
	mutant int // of those that are in the code, which machines made from now on have; 0: none
}

// stackSize is far more than the deepest calls take.
const stackSize = 256 << 10

// load maps a compiled file into memory. It refers to nothing outside of itself.
func load(path string) (*code, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	end := uint64(0)
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			end = max(end, p.Vaddr+p.Memsz)
		}
	}
	image, err := unix.Mmap(-1, 0, int(end), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD {
			continue
		}
		if _, err := p.ReadAt(image[p.Vaddr:p.Vaddr+p.Filesz], 0); err != nil {
			return nil, err
		}
	}
	base := uintptr(unsafe.Pointer(&image[0]))
	if err := relocate(f, image, base); err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 {
			from, to := p.Vaddr&^4095, (p.Vaddr+p.Memsz+4095)&^4095
			if err := unix.Mprotect(image[from:min(to, uint64(len(image)))], unix.PROT_READ|unix.PROT_EXEC); err != nil {
				return nil, fmt.Errorf("make %s executable: %w", path, err)
			}
		}
	}
	c := &code{}
	if c.stack, err = unix.Mmap(-1, 0, stackSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON); err != nil {
		return nil, err
	}
	if err := unix.Mprotect(c.stack[:4096], unix.PROT_NONE); err != nil {
		return nil, err
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return nil, err
	}
	for _, s := range symbols {
		if s.Name == "nk_enter" {
			c.enter = base + uintptr(s.Value)
		}
	}
	if c.enter == 0 {
		return nil, fmt.Errorf("load %s: it has no nk_enter", path)
	}
	return c, nil
}

// relocate fills in addresses, all of which are the file's own.
func relocate(f *elf.File, image []byte, base uintptr) error {
	for _, s := range f.Sections {
		if s.Type != elf.SHT_RELA || s.Flags&elf.SHF_ALLOC == 0 {
			continue
		}
		data, err := s.Data()
		if err != nil {
			return err
		}
		for ; len(data) >= 24; data = data[24:] {
			at, info, add := binary.LittleEndian.Uint64(data), binary.LittleEndian.Uint64(data[8:]), binary.LittleEndian.Uint64(data[16:])
			if kind := elf.R_X86_64(info & 0xffffffff); kind != elf.R_X86_64_RELATIVE {
				return fmt.Errorf("relocation %v at %#x: expected R_X86_64_RELATIVE alone", kind, at)
			}
			binary.LittleEndian.PutUint64(image[at:], uint64(base)+add)
		}
	}
	return nil
}

// run makes a call on a machine's memory.
func (c *code) run(m *memory) {
	c.mu.Lock()
	defer c.mu.Unlock()
	callOn(c.enter, uintptr(unsafe.Pointer(&c.stack[0]))+stackSize, uintptr(unsafe.Pointer(&m.machine[0])), uintptr(unsafe.Pointer(m.call)))
}

// memory is a machine's: what its objects are made of, and its calls.
type memory struct {
	machine []byte
	call    *call
}

// machineSize is room for some ten thousand objects. What is not used takes no memory.
const machineSize = 32 << 20

func newMemory() (*memory, error) {
	size := (int(unsafe.Sizeof(call{})) + 4095) &^ 4095
	all, err := unix.Mmap(-1, 0, size+machineSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("memory for a machine: %w", err)
	}
	return &memory{machine: all[size:], call: (*call)(unsafe.Pointer(&all[0]))}, nil
}

// take returns a machine's memory, maybe of one that is no more.
func (c *code) take() (*memory, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.spare); n > 0 {
		m := c.spare[n-1]
		c.spare = c.spare[:n-1]
		return m, nil
	}
	return newMemory()
}

func (c *code) giveBack(m *memory) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spare = append(c.spare, m)
}
