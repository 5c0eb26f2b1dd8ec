//go:build amd64 || arm64

package doctor

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// exitByInt80 is a program that ends with status 0 by a system call of i386.
var exitByInt80 = []byte{
	0xb8, 1, 0, 0, 0, // mov $1, %eax: exit
	0x31, 0xdb, // xor %ebx, %ebx
	0xcd, 0x80, // int $0x80
	0xf4, // hlt, not reached
}

// tryInt80 runs exitByInt80. A kernel without CONFIG_IA32_EMULATION, or that was
// told ia32_emulation=0, kills it.
func tryInt80() (string, error) {
	if runtime.GOARCH != "amd64" {
		return "", &Missing{Why: "only x86-64 has them"}
	}
	path, err := memoryFile(executable(exitByInt80))
	if err != nil {
		return "", fmt.Errorf("int $0x80: %w", err)
	}
	defer path.Close()
	c := exec.Command(fmt.Sprintf("/proc/self/fd/%d", path.Fd()))
	c.Stdin, c.Stdout, c.Stderr = path, path, path // there may be no /dev/null
	if err := c.Run(); err != nil {
		return "", &Missing{fmt.Sprintf("int $0x80: %v: the kernel was built without CONFIG_IA32_EMULATION or told to do without", err), newKernel}
	}
	return "", nil
}

// executable is the least ELF file with code for x86-64.
func executable(code []byte) []byte {
	const header, segment, address = 64, 56, 0x400000
	size := uint64(header + segment + len(code))
	b := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9)...)
	for _, v := range []any{
		uint16(2), uint16(62), uint32(1), // ET_EXEC, EM_X86_64
		uint64(address + header + segment), uint64(header), uint64(0), uint32(0),
		uint16(header), uint16(segment), uint16(1), uint16(0), uint16(0), uint16(0),
		uint32(1), uint32(5), // PT_LOAD, to read and to execute
		uint64(0), uint64(address), uint64(address), size, size, uint64(0x1000),
	} {
		b, _ = binary.Append(b, binary.LittleEndian, v)
	}
	return append(b, code...)
}

// memoryFile is a file that can be executed, without a name.
func memoryFile(content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("doctor", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	w := os.NewFile(uintptr(fd), "doctor")
	defer w.Close()
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", fd)) // what is open to write is not executed
}
