package sim

import "github.com/nkconform/nkconform/mprog"

// commonFlag in a command says that struct bpf_common_attr comes with it
// (BPF_COMMON_ATTRS, from Linux 7.2 on).
const commonFlag = 1 << 16

// Where struct bpf_common_attr has its fields.
const (
	commonLog      = 0
	commonLogSize  = 8
	commonLogLevel = 12
	commonTrueSize = 16 // log_true_size
	commonEnd      = 20
)

// common is where a call's struct bpf_common_attr lies, and what it asks for.
type common struct {
	address uint64
	size    uint32
	log     uint64
	logSize uint32
	level   uint32
}

// readCommon is bpf_check_uarg_tail_zero of the common attributes, and their copy.
func (k *call) readCommon(number uint32) error {
	asked := k.common
	k.common = common{}
	if number&commonFlag == 0 || asked.size == 0 {
		return nil
	}
	if asked.size > pageSize {
		return refuse("common/size", mprog.E2BIG, "size_common %d is more than a page", asked.size)
	}
	p := make([]byte, max(asked.size, commonEnd))
	if err := k.read(asked.address, p[:asked.size]); err != nil {
		return err
	}
	if at := nonzero(p, commonEnd, asked.size); at < asked.size {
		return refuse("common/unknown", mprog.E2BIG, "byte %d is nonzero, struct bpf_common_attr ends at %d", at, commonEnd)
	}
	asked.log, asked.logSize, asked.level = native.Uint64(p[commonLog:]), native.Uint32(p[commonLogSize:]), native.Uint32(p[commonLogLevel:])
	k.common = asked
	return nil
}

// says writes a line to the log that the common attributes name, if they name one, and
// refuses.
func (k *call) says(line string, refusal error) error {
	if k.common.log == 0 || k.common.level == 0 {
		return refusal
	}
	if err := k.writeLog(line+"\n", k.common.log, k.common.logSize, k.trueSize()); err != nil {
		return err
	}
	return refusal
}

// trueSize is where log_true_size of the common attributes is, 0 for nowhere.
func (k *call) trueSize() uint64 {
	if k.common.size < commonTrueSize+4 {
		return 0
	}
	return k.common.address + commonTrueSize
}
