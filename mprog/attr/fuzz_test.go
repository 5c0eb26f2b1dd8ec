package attr

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/nkconform/nkconform/mprog"
)

// codecs turn bytes into a request and back, for each command.
var codecs = map[Command]func(b *Buffer, p []byte) (size uint32, shape mprog.Shape){
	ProgAttach: func(b *Buffer, p []byte) (uint32, mprog.Shape) {
		r := DecodeAttach(p)
		return EncodeAttach(b, r), r.Shape
	},
	ProgDetach: func(b *Buffer, p []byte) (uint32, mprog.Shape) {
		r := DecodeDetach(p)
		return EncodeDetach(b, r), r.Shape
	},
	ProgQuery: func(b *Buffer, p []byte) (uint32, mprog.Shape) {
		r, arrays := DecodeQuery(p)
		return EncodeQuery(b, r, arrays), r.Shape
	},
	LinkCreate: func(b *Buffer, p []byte) (uint32, mprog.Shape) {
		r := DecodeLinkCreate(p)
		return EncodeLinkCreate(b, r), r.Shape
	},
	LinkUpdate: func(b *Buffer, p []byte) (uint32, mprog.Shape) {
		r := DecodeLinkUpdate(p)
		return EncodeLinkUpdate(b, r), r.Shape
	},
	LinkDetach: func(b *Buffer, p []byte) (uint32, mprog.Shape) {
		r := DecodeLinkDetach(p)
		return EncodeLinkDetach(b, r), r.Shape
	},
	ObjGetInfoByFD: func(b *Buffer, p []byte) (uint32, mprog.Shape) {
		r := DecodeInfo(p)
		return EncodeInfo(b, r), r.Shape
	},
	ProgGetFDByID: recodeFDByID,
	LinkGetFDByID: recodeFDByID,
	ProgGetNextID: recodeNextID,
	LinkGetNextID: recodeNextID,
	ObjPin: func(b *Buffer, p []byte) (uint32, mprog.Shape) {
		r, path := DecodePin(p)
		return EncodePin(b, r, path), r.Shape
	},
	ObjGet: func(b *Buffer, p []byte) (uint32, mprog.Shape) {
		r, path := DecodeGet(p)
		return EncodeGet(b, r, path), r.Shape
	},
	999: func(b *Buffer, p []byte) (uint32, mprog.Shape) {
		r := DecodeCommand(999, p)
		return EncodeCommand(b, r), r.Shape
	},
}

func recodeFDByID(b *Buffer, p []byte) (uint32, mprog.Shape) {
	r := DecodeFDByID(p)
	return EncodeFDByID(b, r), r.Shape
}

func recodeNextID(b *Buffer, p []byte) (uint32, mprog.Shape) {
	r := DecodeNextID(p)
	return EncodeNextID(b, r), r.Shape
}

// neverRead has the fields that the kernel only writes.
var neverRead = map[Command]Field{
	ProgQuery:     queryRevision,
	ProgGetNextID: nextIDResult,
	LinkGetNextID: nextIDResult,
}

// Whatever a program hands to bpf(2) comes back from its decoded form, but for
// the bytes outside of the fields, of which only the last nonzero one is kept.
func FuzzBytes(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 2, 3, 4, 5, 6})
	f.Add(make([]byte, 100))
	b := new(Buffer)
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) > 4096 {
			return
		}
		for cmd, recode := range codecs {
			size, shape := recode(b, p)
			fields := cmd.Fields()
			if len(p) == 0 {
				assert.Equal(t, cmd.Size(), size)
			} else {
				assert.Equal(t, len(p), int(size))
			}
			for i, want := range p {
				offset, unread := uint32(i), neverRead[cmd]
				switch {
				case unread.Offset <= offset && offset < unread.Offset+unread.Size:
					want = 0
				case inField(offset, fields):
				case offset == shape.Junk && offset != 0:
					want = 0xff
				default:
					want = 0
				}
				if b[i] != want {
					t.Fatalf("command %d, byte %d: have %#x, want %#x", cmd, i, b[i], want)
				}
			}
		}
	})
}

// A request whose shape cuts nothing off comes back as it was.
func FuzzRequests(f *testing.F) {
	f.Add(uint32(1), uint32(2), uint32(46), uint32(4), uint32(5), uint32(6), uint64(7), uint16(0), uint16(0))
	f.Add(uint32(1), uint32(2), uint32(46), uint32(4), uint32(5), uint32(6), uint64(7), uint16(900), uint16(899))
	b := new(Buffer)
	f.Fuzz(func(t *testing.T, a, c, d, e, g, h uint32, rev uint64, size, junk uint16) {
		shape := func(cmd Command) mprog.Shape {
			s := mprog.Shape{Size: uint32(size), Junk: uint32(junk)}
			if s.Size <= cmd.Size() {
				s.Size = 0
			}
			if s.Junk >= max(s.Size, cmd.Size()) || inField(s.Junk, cmd.Fields()) {
				s.Junk = 0
			}
			return s
		}
		attach := mprog.AttachRequest{
			Shape: shape(ProgAttach), TargetIfindex: a, AttachFD: c, AttachType: mprog.AttachType(d),
			Flags: mprog.Flags(e), ReplaceFD: g, Relative: h, ExpectedRevision: rev,
		}
		assert.Equal(t, attach, DecodeAttach(b[:EncodeAttach(b, attach)]))
		detach := mprog.DetachRequest(attach)
		assert.Equal(t, detach, DecodeDetach(b[:EncodeDetach(b, detach)]))

		query := mprog.QueryRequest{
			Shape: shape(ProgQuery), TargetIfindex: a, AttachType: mprog.AttachType(d),
			QueryFlags: e, AttachFlags: g, Count: h,
		}
		arrays := Arrays{ProgIDs: rev, LinkIDs: rev + 1, ProgAttachFlags: rev + 2, LinkAttachFlags: rev + 3}
		gotQuery, gotArrays := DecodeQuery(b[:EncodeQuery(b, query, arrays)])
		assert.Equal(t, query, gotQuery)
		assert.Equal(t, arrays, gotArrays)

		create := mprog.LinkCreateRequest{
			Shape: shape(LinkCreate), ProgFD: a, TargetIfindex: c, AttachType: mprog.AttachType(d),
			Flags: mprog.Flags(e), Relative: g, ExpectedRevision: rev,
		}
		assert.Equal(t, create, DecodeLinkCreate(b[:EncodeLinkCreate(b, create)]))
		update := mprog.LinkUpdateRequest{
			Shape: shape(LinkUpdate), LinkFD: a, NewProgFD: c, Flags: mprog.Flags(e), OldProgFD: g,
		}
		assert.Equal(t, update, DecodeLinkUpdate(b[:EncodeLinkUpdate(b, update)]))
		unlink := mprog.LinkDetachRequest{Shape: shape(LinkDetach), LinkFD: a}
		assert.Equal(t, unlink, DecodeLinkDetach(b[:EncodeLinkDetach(b, unlink)]))
		info := InfoRequest{Shape: shape(ObjGetInfoByFD), FD: a, InfoLen: c, Info: rev}
		assert.Equal(t, info, DecodeInfo(b[:EncodeInfo(b, info)]))

		id := mprog.IDRequest{Shape: shape(ProgGetFDByID), ID: a, OpenFlags: c}
		assert.Equal(t, id, DecodeFDByID(b[:EncodeFDByID(b, id)]))
		id.Shape = shape(ProgGetNextID)
		assert.Equal(t, id, DecodeNextID(b[:EncodeNextID(b, id)]))
		pin := mprog.PinRequest{Shape: shape(ObjPin), FD: a, Flags: c}
		gotPin, path := DecodePin(b[:EncodePin(b, pin, rev)])
		assert.Equal(t, pin, gotPin)
		assert.Equal(t, rev, path)
		get := mprog.GetRequest{Shape: shape(ObjGet), Flags: c}
		gotGet, path := DecodeGet(b[:EncodeGet(b, get, rev)])
		assert.Equal(t, get, gotGet)
		assert.Equal(t, rev, path)
		command := mprog.CommandRequest{Shape: shape(999), Command: 999}
		assert.Equal(t, command, DecodeCommand(999, b[:EncodeCommand(b, command)]))
	})
}
