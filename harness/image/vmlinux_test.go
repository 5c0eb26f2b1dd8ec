package image

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeVMLinux is the smallest ELF file with one note of the given type.
func fakeVMLinux(note uint32) []byte {
	var b bytes.Buffer
	le := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) }
	b.WriteString("\x7fELF\x02\x01\x01" + string(make([]byte, 9)))
	le([]uint16{2, 62})              // executable, x86-64
	le(uint32(1))                    // version
	le([]uint64{0, 64, 0})           // entry, program headers, section headers
	le(uint32(0))                    // flags
	le([]uint16{64, 56, 1, 0, 0, 0}) // sizes and counts
	le([]uint32{4, 4})               // PT_NOTE, readable
	le([]uint64{120, 0, 0, 20, 20, 4})
	le([]uint32{4, 4, note})
	b.WriteString("Xen\x00\x00\x00\x00\x01")
	return b.Bytes()
}

// fakeBZImage wraps a kernel as the build does, compressed with gzip.
func fakeBZImage(t *testing.T, vmlinux []byte) []byte {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, err := w.Write(vmlinux)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	payload := binary.LittleEndian.AppendUint32(z.Bytes(), uint32(len(vmlinux)))
	const setup, off = 2, 16
	b := make([]byte, (setup+1)*512+off)
	b[offSetupSects] = setup
	copy(b[offMagic:], "HdrS")
	binary.LittleEndian.PutUint16(b[offVersion:], 0x20f)
	binary.LittleEndian.PutUint32(b[offPayload:], off)
	binary.LittleEndian.PutUint32(b[offPayloadLength:], uint32(len(payload)))
	return append(b, payload...)
}

func TestVMLinux(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", "")
	pvh, other := fakeVMLinux(notePVH), fakeVMLinux(1)
	whole := fakeBZImage(t, pvh)
	for _, test := range []struct {
		name      string
		kernel    []byte
		err       string
		notKernel bool
	}{
		{"bzImage", whole, "", false},
		{"again, from the cache", whole, "", false},
		{"vmlinux", pvh, "", false},
		{"without PVH", fakeBZImage(t, other), "no PVH", false},
		{"vmlinux without PVH", other, "no PVH", false},
		{"cut off", whole[:len(whole)-1], "cut off", true},
		{"garbage", bytes.Repeat([]byte("?"), 4096), "not a Linux kernel image", true},
		{"empty", nil, "not a Linux kernel image", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "vmlinuz")
			require.NoError(t, os.WriteFile(file, test.kernel, 0o644))
			got, err := Image{Kernel: file}.VMLinux(t.Context())
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				assert.Equal(t, test.notKernel, errors.Is(err, ErrNotKernel))
				return
			}
			require.NoError(t, err)
			b, err := os.ReadFile(got)
			require.NoError(t, err)
			assert.Equal(t, pvh, b)
			if got != file { // it is in the cache, and cut off there
				require.NoError(t, os.Truncate(got, 10))
				got, err = Image{Kernel: file}.VMLinux(t.Context())
				require.NoError(t, err)
				b, err = os.ReadFile(got)
				require.NoError(t, err)
				assert.Equal(t, pvh, b)
			}
		})
	}
}
