package attr

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/nkconform/nkconform/mprog"
)

// The expected offsets are those of include/uapi/linux/bpf.h.
func TestEncode(t *testing.T) {
	type words = map[int]uint64 // offset: value, of 8 bytes where wide says so
	wide := map[Command][]int{ProgAttach: {24}, LinkCreate: {24}, ProgQuery: {16, 32, 40, 48, 56}, ObjGetInfoByFD: {8}, ObjPin: {0}, ObjGet: {0}}
	for _, test := range []struct {
		name   string
		cmd    Command
		encode func(*Buffer) uint32
		size   uint32
		want   words
	}{
		{
			"attach", ProgAttach,
			func(b *Buffer) uint32 {
				return EncodeAttach(b, mprog.AttachRequest{
					TargetIfindex: 1, AttachFD: 2, AttachType: 3, Flags: 4, ReplaceFD: 5,
					Relative: 6, ExpectedRevision: 1<<40 + 7,
				})
			}, 32, words{0: 1, 4: 2, 8: 3, 12: 4, 16: 5, 20: 6, 24: 1<<40 + 7},
		},
		{
			"detach", ProgDetach,
			func(b *Buffer) uint32 {
				return EncodeDetach(b, mprog.DetachRequest{TargetIfindex: 1, Relative: 0xffffffff})
			}, 32, words{0: 1, 20: 0xffffffff},
		},
		{
			"query", ProgQuery,
			func(b *Buffer) uint32 {
				return EncodeQuery(b, mprog.QueryRequest{
					TargetIfindex: 1, AttachType: 2, QueryFlags: 3, AttachFlags: 4, Count: 5,
				}, Arrays{ProgIDs: 1<<40 + 6, LinkIDs: 1<<40 + 7, ProgAttachFlags: 8, LinkAttachFlags: 9})
			}, 64, words{0: 1, 4: 2, 8: 3, 12: 4, 16: 1<<40 + 6, 24: 5, 32: 8, 40: 1<<40 + 7, 48: 9},
		},
		{
			"link create", LinkCreate,
			func(b *Buffer) uint32 {
				return EncodeLinkCreate(b, mprog.LinkCreateRequest{
					ProgFD: 1, TargetIfindex: 2, AttachType: 3, Flags: 4, Relative: 5,
					ExpectedRevision: 1<<40 + 6,
				})
			}, 32, words{0: 1, 4: 2, 8: 3, 12: 4, 16: 5, 24: 1<<40 + 6},
		},
		{
			"link update", LinkUpdate,
			func(b *Buffer) uint32 {
				return EncodeLinkUpdate(b, mprog.LinkUpdateRequest{LinkFD: 1, NewProgFD: 2, Flags: 3, OldProgFD: 4})
			}, 16, words{0: 1, 4: 2, 8: 3, 12: 4},
		},
		{
			"link detach", LinkDetach,
			func(b *Buffer) uint32 { return EncodeLinkDetach(b, mprog.LinkDetachRequest{LinkFD: 1}) },
			4, words{0: 1},
		},
		{
			"object info", ObjGetInfoByFD,
			func(b *Buffer) uint32 { return EncodeInfo(b, InfoRequest{FD: 1, InfoLen: 2, Info: 1<<40 + 3}) },
			16, words{0: 1, 4: 2, 8: 1<<40 + 3},
		},
		{
			"fd by id", LinkGetFDByID,
			func(b *Buffer) uint32 { return EncodeFDByID(b, mprog.IDRequest{ID: 1, OpenFlags: 2}) },
			12, words{0: 1, 8: 2},
		},
		{
			"next id", ProgGetNextID,
			func(b *Buffer) uint32 { return EncodeNextID(b, mprog.IDRequest{ID: 1, OpenFlags: 2}) },
			12, words{0: 1, 8: 2},
		},
		{
			"pin", ObjPin,
			func(b *Buffer) uint32 { return EncodePin(b, mprog.PinRequest{FD: 1, Flags: 2}, 1<<40+3) },
			16, words{0: 1<<40 + 3, 8: 1, 12: 2},
		},
		{
			"get", ObjGet,
			func(b *Buffer) uint32 { return EncodeGet(b, mprog.GetRequest{Flags: 2}, 1<<40+3) },
			16, words{0: 1<<40 + 3, 12: 2},
		},
		{"command", 999, func(b *Buffer) uint32 { return EncodeCommand(b, mprog.CommandRequest{}) }, 0, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := dirtyBuffer()
			assert.Equal(t, test.size, test.encode(b))
			assert.Equal(t, test.size, test.cmd.Size())

			want := make([]byte, 64)
			for offset, v := range test.want {
				binary.NativeEndian.PutUint32(want[offset:], uint32(v))
			}
			for _, offset := range wide[test.cmd] {
				binary.NativeEndian.PutUint64(want[offset:], test.want[offset])
			}
			assert.Equal(t, want, b[:64])
		})
	}
}

func TestShape(t *testing.T) {
	request := mprog.LinkDetachRequest{LinkFD: 0x01010101}
	for _, test := range []struct {
		name  string
		shape mprog.Shape
		size  uint32
		check func(t *testing.T, b *Buffer)
	}{
		{"own size", mprog.Shape{}, 4, nil},
		{"short", mprog.Shape{Size: 2}, 2, nil},
		{"long with zero tail", mprog.Shape{Size: 4096}, 4096, func(t *testing.T, b *Buffer) {
			assert.Equal(t, make([]byte, 4092), b[4:4096])
		}},
		{"junk in the tail", mprog.Shape{Size: 100, Junk: 99}, 100, func(t *testing.T, b *Buffer) {
			assert.Equal(t, make([]byte, 95), b[4:99])
			assert.EqualValues(t, 0xff, b[99])
		}},
		{"junk in a field", mprog.Shape{Junk: 1}, 4, func(t *testing.T, b *Buffer) {
			assert.Equal(t, []byte{1, 0xff, 1, 1}, b[:4])
		}},
		{"junk behind the size", mprog.Shape{Size: 64, Junk: 64}, 64, func(t *testing.T, b *Buffer) {
			assert.Equal(t, make([]byte, 60), b[4:64])
		}},
		{"larger than the buffer", mprog.Shape{Size: 1 << 31, Junk: 1 << 30}, 1 << 31, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := dirtyBuffer()
			request.Shape = test.shape
			assert.Equal(t, test.size, EncodeLinkDetach(b, request))
			if test.check != nil {
				test.check(t, b)
			}
		})
	}
}

// dirtyBuffer is what an earlier request may leave behind.
func dirtyBuffer() *Buffer {
	var b Buffer
	for i := range b {
		b[i] = 0xaa
	}
	return &b
}

func TestDecodeShort(t *testing.T) {
	p := []byte{1, 0, 0, 0, 2, 0}
	binary.NativeEndian.PutUint32(p, 1)
	got := DecodeAttach(p)
	assert.EqualValues(t, 1, got.TargetIfindex)
	assert.Equal(t, mprog.Shape{Size: 6}, got.Shape)
	assert.Equal(t, mprog.AttachRequest{}, DecodeAttach(nil))
}

// The last byte outside of the fields decides whether a kernel refuses.
func TestDecodeJunk(t *testing.T) {
	p := make([]byte, 80)
	p[20], p[40], p[70] = 1, 2, 3 // padding, tail, tail
	got := DecodeLinkCreate(p)
	assert.Equal(t, mprog.Shape{Size: 80, Junk: 70}, got.Shape)
	assert.Equal(t, mprog.Shape{Junk: 20}, DecodeLinkCreate(p[:32]).Shape)
}

func TestResults(t *testing.T) {
	query := mprog.QueryResult{AttachFlags: 1, Count: 2, Revision: 1<<40 + 3}
	b := dirtyBuffer()
	EncodeQueryResult(b[:64], query)
	assert.Equal(t, query, DecodeQueryResult(b[:64]))

	EncodeNextIDResult(b[:8], 4)
	assert.EqualValues(t, 4, DecodeNextIDResult(b[:8]))

	prog := mprog.ObjectInfo{Kind: mprog.ProgObject, ID: 1, ProgType: mprog.SchedCLS, ProgName: "fifteen_bytes_x"}
	EncodeProgInfo(b[:ProgInfoSize], prog)
	assert.Equal(t, prog, DecodeProgInfo(b[:ProgInfoSize]))

	link := mprog.ObjectInfo{
		Kind: mprog.LinkObject, ID: 1, LinkType: mprog.NetkitLink, ProgID: 2,
		Ifindex: 3, AttachType: mprog.NetkitPeer,
	}
	EncodeLinkInfo(b[:LinkInfoSize], link)
	assert.Equal(t, link, DecodeLinkInfo(b[:LinkInfoSize]))
	link.LinkType = 6 // XDP keeps other things there
	EncodeLinkInfo(b[:LinkInfoSize], link)
	assert.Zero(t, DecodeLinkInfo(b[:LinkInfoSize]).AttachType)
}

func TestEncodeDoesNotAllocate(t *testing.T) {
	b := new(Buffer)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		EncodeAttach(b, mprog.AttachRequest{TargetIfindex: 1})
		EncodeQuery(b, mprog.QueryRequest{TargetIfindex: 1}, Arrays{})
		_ = DecodeAttach(b[:32])
		_, _ = DecodeQuery(b[:64])
	}))
}
