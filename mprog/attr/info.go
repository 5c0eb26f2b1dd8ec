package attr

import (
	"bytes"

	"github.com/nkconform/nkconform/mprog"
)

// InfoRequest is BPF_OBJ_GET_INFO_BY_FD (bpf_attr.info).
type InfoRequest struct {
	mprog.Shape
	FD      uint32 // info.bpf_fd
	InfoLen uint32 // info.info_len: size of the memory at Info, in bytes
	Info    uint64 // info.info: address of a bpf_prog_info or bpf_link_info
}

// EncodeInfo encodes BPF_OBJ_GET_INFO_BY_FD.
func EncodeInfo(b *Buffer, r InfoRequest) (size uint32) {
	return encode(b, objInfo, r.Shape, uint64(r.FD), uint64(r.InfoLen), r.Info)
}

// DecodeInfo decodes BPF_OBJ_GET_INFO_BY_FD.
func DecodeInfo(p []byte) InfoRequest {
	var v [3]uint64
	shape := decode(p, objInfo, v[:])
	return InfoRequest{Shape: shape, FD: uint32(v[0]), InfoLen: uint32(v[1]), Info: v[2]}
}

// Where the name is in struct bpf_prog_info.
const (
	progNameOffset = 64
	progNameSize   = 16 // BPF_OBJ_NAME_LEN, with the final zero byte
)

// The sizes in bytes of the parts of bpf_prog_info and bpf_link_info that are
// translated. Newer kernels know more fields; all take a larger buffer.
const (
	ProgInfoSize = progNameOffset + progNameSize
	LinkInfoSize = 28
)

// DecodeProgInfo reads struct bpf_prog_info from p, which must have
// [ProgInfoSize] bytes.
func DecodeProgInfo(p []byte) mprog.ObjectInfo {
	name, _, _ := bytes.Cut(p[progNameOffset:ProgInfoSize], []byte{0})
	return mprog.ObjectInfo{
		Kind:     mprog.ProgObject,
		ProgType: mprog.ProgType(get(p, progInfo[0])),
		ID:       uint32(get(p, progInfo[1])),
		ProgName: string(name),
	}
}

// EncodeProgInfo is the inverse of [DecodeProgInfo]. A name is cut at 15 bytes.
func EncodeProgInfo(p []byte, info mprog.ObjectInfo) {
	put(p, progInfo[0], uint64(info.ProgType))
	put(p, progInfo[1], uint64(info.ID))
	name := p[progNameOffset:ProgInfoSize]
	clear(name)
	copy(name[:progNameSize-1], info.ProgName)
}

// DecodeLinkInfo reads struct bpf_link_info from p, which must have
// [LinkInfoSize] bytes. Ifindex and AttachType are meaningful for the types of
// links named in package mprog, and zero for others.
func DecodeLinkInfo(p []byte) mprog.ObjectInfo {
	info := mprog.ObjectInfo{
		Kind:     mprog.LinkObject,
		LinkType: mprog.LinkType(get(p, linkInfo[0])),
		ID:       uint32(get(p, linkInfo[1])),
		ProgID:   uint32(get(p, linkInfo[2])),
	}
	switch info.LinkType {
	case mprog.CgroupLink:
		info.CgroupID = get(p, linkInfo[5])
		info.AttachType = mprog.AttachType(get(p, linkInfo[6]))
	case mprog.TCXLink, mprog.NetkitLink:
		info.AttachType = mprog.AttachType(get(p, linkInfo[4]))
		fallthrough
	case mprog.XDPLink:
		info.Ifindex = uint32(get(p, linkInfo[3]))
	}
	return info
}

// EncodeLinkInfo is the inverse of [DecodeLinkInfo].
func EncodeLinkInfo(p []byte, info mprog.ObjectInfo) {
	put(p, linkInfo[0], uint64(info.LinkType))
	put(p, linkInfo[1], uint64(info.ID))
	put(p, linkInfo[2], uint64(info.ProgID))
	if info.LinkType == mprog.CgroupLink {
		put(p, linkInfo[5], info.CgroupID)
		put(p, linkInfo[6], uint64(info.AttachType))
		return
	}
	put(p, linkInfo[3], uint64(info.Ifindex))
	put(p, linkInfo[4], uint64(info.AttachType))
}
