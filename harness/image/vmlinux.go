package image

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// ErrNotKernel says that a file is not a complete Linux kernel image.
var ErrNotKernel = errors.New("not a Linux kernel image")

// VMLinux returns the path of the kernel as an uncompressed ELF file that a
// virtual machine can enter directly (PVH), which saves the time to unpack
// it on an emulated processor. It is made once and cached by content. Some
// kernels boot but cannot be had in this form; one whose error is not
// ErrNotKernel may still boot from the image itself.
func (i Image) VMLinux(ctx context.Context) (string, error) {
	raw, err := os.ReadFile(i.Kernel)
	if err != nil {
		return "", fmt.Errorf("read kernel: %w", err)
	}
	if bytes.HasPrefix(raw, []byte(elf.ELFMAG)) {
		return i.Kernel, checkPVH(bytes.NewReader(raw))
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	dest := filepath.Join(cache, "vmlinux", fmt.Sprintf("%x", sha256.Sum256(raw)))
	payload, err := payload(raw)
	if err != nil {
		return "", fmt.Errorf("unpack %s: %w", i.Kernel, err)
	}
	if fi, err := os.Stat(dest); err == nil && fi.Size() == unpackedSize(payload) {
		touch(dest)
		return dest, nil
	}
	vmlinux, err := decompress(ctx, payload)
	if err != nil {
		return "", fmt.Errorf("unpack %s: %w", i.Kernel, err)
	}
	if err := checkPVH(bytes.NewReader(vmlinux)); err != nil {
		return "", fmt.Errorf("unpack %s: %w", i.Kernel, err)
	}
	err = writeFile(dest, string(vmlinux))
	if err != nil {
		return "", fmt.Errorf("cache unpacked kernel: %w", err)
	}
	return dest, nil
}

// Offsets in a bzImage; see the kernel's Documentation/arch/x86/boot.rst.
const (
	offSetupSects    = 0x1f1
	offMagic         = 0x202
	offVersion       = 0x206
	offPayload       = 0x248
	offPayloadLength = 0x24c
	payloadVersion   = 0x208 // the protocol version that introduced payload
)

// payload returns the compressed kernel inside a bzImage.
func payload(b []byte) ([]byte, error) {
	le := binary.LittleEndian
	if len(b) < offPayloadLength+4 || string(b[offMagic:offMagic+4]) != "HdrS" || le.Uint16(b[offVersion:]) < payloadVersion {
		return nil, ErrNotKernel
	}
	setup := uint64(b[offSetupSects])
	if setup == 0 {
		setup = 4
	}
	start := (setup+1)*512 + uint64(le.Uint32(b[offPayload:]))
	end := start + uint64(le.Uint32(b[offPayloadLength:]))
	if end > uint64(len(b)) || end-start < 8 {
		return nil, fmt.Errorf("%w: it is cut off", ErrNotKernel)
	}
	return b[start:end], nil
}

// unpackedSize returns how long the kernel in a payload is: the build appends
// that to what it compresses.
func unpackedSize(payload []byte) int64 {
	if bytes.HasPrefix(payload, []byte(elf.ELFMAG)) {
		return int64(len(payload))
	}
	return int64(binary.LittleEndian.Uint32(payload[len(payload)-4:]))
}

// decompress undoes the compression of a bzImage's payload.
func decompress(ctx context.Context, b []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(b, []byte(elf.ELFMAG)):
		return b, nil
	case bytes.HasPrefix(b, []byte("\x1f\x8b")):
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		z.Multistream(false)
		return io.ReadAll(z)
	case bytes.HasPrefix(b, []byte("BZh")):
		return io.ReadAll(bzip2.NewReader(bytes.NewReader(b[:len(b)-4])))
	}
	for _, tool := range []struct{ magic, name string }{
		{"\xfd7zXZ\x00", "xz"},
		{"\x28\xb5\x2f\xfd", "zstd"},
		{"\x02\x21\x4c\x18", "lz4"},
		{"\x5d\x00\x00", "xz"}, // lzma
	} {
		if !bytes.HasPrefix(b, []byte(tool.magic)) {
			continue
		}
		// The build appends the uncompressed length in four bytes.
		cmd := exec.CommandContext(ctx, tool.name, "-dc")
		cmd.Stdin = bytes.NewReader(b[:len(b)-4])
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("decompress kernel: %s: %w", tool.name, err)
		}
		return out, nil
	}
	return nil, errors.New("kernel image is compressed in an unknown way")
}

// notePVH is the type of the ELF note that holds the PVH entry point.
const notePVH = 18

// checkPVH returns nil if the ELF file has an entry point for PVH.
func checkPVH(r io.ReaderAt) error {
	f, err := elf.NewFile(r)
	if err != nil {
		return fmt.Errorf("read kernel: %w", err)
	}
	for _, p := range f.Progs {
		if p.Type != elf.PT_NOTE {
			continue
		}
		b, err := io.ReadAll(p.Open())
		if err != nil {
			return fmt.Errorf("read kernel: %w", err)
		}
		for len(b) >= 12 {
			name, desc, typ := f.ByteOrder.Uint32(b), f.ByteOrder.Uint32(b[4:]), f.ByteOrder.Uint32(b[8:])
			if typ == notePVH && bytes.HasPrefix(b[12:], []byte("Xen\x00")) {
				return nil
			}
			b = b[min(uint64(len(b)), 12+align4(name)+align4(desc)):]
		}
	}
	return errors.New("kernel has no PVH entry point")
}

func align4(n uint32) uint64 { return (uint64(n) + 3) &^ 3 }
