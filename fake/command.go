package fake

import (
	"fmt"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// Commands of bpf(2) (enum bpf_cmd) besides those that package attr has.
const (
	cmdMapCreate    attr.Command = 0
	cmdProgLoad     attr.Command = 5
	cmdMapGetNextID attr.Command = 12
	cmdMapGetFDByID attr.Command = 14
	cmdBTFLoad      attr.Command = 18
	cmdBTFGetFDByID attr.Command = 19
	cmdTaskFDQuery  attr.Command = 20
	cmdBTFGetNextID attr.Command = 23
	cmdEnableStats  attr.Command = 32
	commonAttrs     attr.Command = 1 << 16 // BPF_COMMON_ATTRS
)

// Command makes a call of any number with an attr of zeros (bpf(2)). A number that
// no command has is EINVAL. Of commands that are not modelled, which work on maps
// and BTF and know none here, the refusal of zeros is; with a junk byte in one of
// their fields they are unsupported.
func (p *Process) Command(r mprog.CommandRequest) error {
	return do0(p, mprog.OpCommand, r, (*Process).command)
}

// command is __sys_bpf.
func (p *Process) command(r mprog.CommandRequest) error {
	if p.kernel.code != nil {
		return p.askCommand(r, func() error { return p.simulated(r) })
	}
	return p.simulated(r)
}

// simulated is command by the fake's own rules.
func (p *Process) simulated(r mprog.CommandRequest) error {
	b := p.kernel.scratch()
	size := attr.EncodeCommand(b, r)
	cmd := attr.Command(r.Command)
	if (cmd == cmdMapCreate || cmd == cmdProgLoad) && !p.kernel.release.sizeFirst {
		if err := p.mayMake(); err != nil {
			return err
		}
	}
	if err := p.kernel.readSize(b, size); err != nil {
		return err
	}
	if p.kernel.release.commonAttrs {
		cmd &^= commonAttrs
	}
	data := b[:min(size, p.kernel.release.attrSize)]
	switch cmd {
	case attr.ProgAttach:
		q := attr.DecodeAttach(data)
		return p.progAttach(q)
	case attr.ProgDetach:
		q := attr.DecodeDetach(data)
		return p.progDetach(q)
	case attr.ProgQuery:
		q, _ := attr.DecodeQuery(data)
		_, err := p.queryHook(q, p.kernel.readTail(cmd, b, size))
		return err
	case attr.LinkCreate:
		q := attr.DecodeLinkCreate(data)
		_, err := p.linkCreate(q)
		return err
	case attr.LinkUpdate:
		q := attr.DecodeLinkUpdate(data)
		return p.linkUpdate(q)
	case attr.LinkDetach:
		q := attr.DecodeLinkDetach(data)
		return p.linkDetach(q)
	}
	return p.otherCommand(cmd, r, b, size)
}

// otherCommand is what commands make of zeros that have no request of their own.
func (p *Process) otherCommand(cmd attr.Command, r mprog.CommandRequest, b *attr.Buffer, size uint32) error {
	end, known := p.kernel.release.lastField(cmd)
	if !known {
		return refuse(commandUnknown, "no command has number %d", r.Command)
	}
	if err := p.kernel.readTail(cmd, b, size); err != nil {
		return err
	}
	if i := nonzero(b, 0, min(size, end)); i < min(size, end) && !unread(cmd, i) {
		return fmt.Errorf("%s: %w: command %d with byte %d set", mprog.OpCommand, mprog.ErrUnsupported, cmd, i)
	}
	switch cmd {
	case attr.ObjPin:
		return refuse(pinNotObject, "bpf_fd 0 is no BPF object")
	case attr.ObjGet:
		return refuse(pathFault, "pathname is 0")
	case cmdProgLoad:
		if err := p.mayMake(); err != nil {
			return err
		}
		if !p.kernel.release.licenseLast {
			return refuse(loadLicense, "license is 0")
		}
		return refuse(loadEmpty, "insn_cnt is 0")
	case cmdBTFLoad:
		if err := p.mayMake(); err != nil {
			return err
		}
	case attr.ObjGetInfoByFD:
		_, err := p.objectInfo(0)
		return err
	case attr.ProgGetNextID:
		_, err := nextID(p, cmd, mprog.IDRequest{}, p.kernel.progs)
		return err
	case attr.LinkGetNextID:
		_, err := nextID(p, cmd, mprog.IDRequest{}, p.kernel.links)
		return err
	case cmdMapGetNextID, cmdBTFGetNextID:
		_, err := nextID(p, cmd, mprog.IDRequest{}, map[uint32]*program(nil))
		return err
	case attr.ProgGetFDByID, cmdMapGetFDByID, attr.LinkGetFDByID, cmdBTFGetFDByID, cmdTaskFDQuery:
		if err := p.needsSysAdmin(); err != nil {
			return err
		}
		return refuse(idNone, "nothing has id 0")
	case cmdEnableStats:
		if err := p.needsSysAdmin(); err != nil {
			return err
		}
		p.open(notBPF{})
		return nil
	}
	return refuse(commandZeros, "command %d: fd 0 is not what it works on", cmd)
}

// unread reports whether a byte of a command's fields is not looked at while those
// before it are zero.
func unread(cmd attr.Command, i uint32) bool {
	switch cmd {
	case cmdProgLoad:
		return i >= 48 // prog_name and what follows
	case cmdBTFGetFDByID:
		return i >= 4 && i < 8 || i >= 12 // next_id; the token's fd
	}
	return false
}
