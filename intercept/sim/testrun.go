package sim

import (
	"bytes"

	"github.com/nkconform/nkconform/mprog"
)

// Where BPF_PROG_TEST_RUN has its fields.
const (
	testRetval   = 4
	testSizeIn   = 8
	testSizeOut  = 12
	testDataIn   = 16
	testDataOut  = 24
	testDuration = 36
)

const (
	ethernetHeader = 14
	maxTestData    = 1 << 16
)

// testRun is bpf_prog_test_run_skb for programs that are not run: the data comes
// back as it was, with the program's verdict.
func (k *call) testRun() error {
	_, p, err := k.progByFD("prog_fd", k.u32(0))
	if err != nil {
		return err
	}
	sizeIn, sizeOut := k.u32(testSizeIn), k.u32(testSizeOut)
	if (sizeIn == 0) != (k.u64(testDataIn) == 0) {
		return refuse("test-run/data", mprog.EINVAL, "data_size_in is %d with data_in at %#x", sizeIn, k.u64(testDataIn))
	}
	switch mprog.ProgType(p.typ) {
	case mprog.SchedCLS, mprog.SocketFilter, mprog.XDP:
		if sizeIn < ethernetHeader || sizeIn > maxTestData {
			return refuse("test-run/size", mprog.EINVAL, "%d bytes are no packet", sizeIn)
		}
	}
	data := make([]byte, min(sizeIn, maxTestData))
	if err := k.read(k.u64(testDataIn), data); err != nil {
		return err
	}
	if out := k.u64(testDataOut); out != 0 {
		full := data
		if sizeOut != 0 && sizeOut < sizeIn {
			data = data[:sizeOut]
		}
		if err := k.write(Segment{out, bytes.Clone(data)}); err != nil {
			return err
		}
		data = full
	}
	if err := k.put(testSizeOut, uint32(len(data))); err != nil {
		return err
	}
	if err := k.put(testRetval, uint32(k.verdict(p))); err != nil {
		return err
	}
	if err := k.put(testDuration, 1); err != nil {
		return err
	}
	if k.u64(testDataOut) != 0 && sizeOut != 0 && sizeOut < sizeIn {
		return refuse("test-run/no-space", mprog.ENOSPC, "room for %d of %d bytes", sizeOut, sizeIn)
	}
	return nil
}

// verdict is what a program is said to return.
func (k *call) verdict(p *program) int32 {
	name, _, _ := bytes.Cut(p.name[:], []byte{0})
	if v, ok := k.verdicts[string(name)]; ok {
		return v
	}
	return p.verdict
}
