package sim

import (
	"fmt"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// Where BPF_PROG_LOAD has the verifier's log.
const (
	loadLogLevel = 24
	loadLogSize  = 28
	loadLog      = 32
	loadTrueSize = 140 // log_true_size
)

// Bits of log_level.
const (
	logInstructions = 1 | 2 // BPF_LOG_LEVEL1, BPF_LOG_LEVEL2
	logLevels       = 1<<4 - 1
)

// checkLog is bpf_log_attr_init and bpf_verifier_log_attr_valid.
func (k *call) checkLog() error {
	level, size, at := k.u32(loadLogLevel), k.u32(loadLogSize), k.u64(loadLog)
	if (at != 0) != (size != 0) || at != 0 && level == 0 || level&^logLevels != 0 || size > 1<<30-1 {
		return refuse("load/log", mprog.EINVAL, "log_level %d with log_buf at %#x and log_size %d", level, at, size)
	}
	return nil
}

// log writes the verifier's log to where the command's attributes or, if they name
// no place, the common ones want it.
func (k *call) log(text string) error {
	trueSize := uint64(0)
	switch {
	case k.u32(loadLogLevel) != 0:
		if k.size >= loadTrueSize+4 && !k.kernel.Running().Before(fake.Version(6, 4)) {
			trueSize = k.address + loadTrueSize
		}
		return k.writeLog(text, k.u64(loadLog), k.u32(loadLogSize), trueSize)
	case k.common.level != 0:
		return k.writeLog(text, k.common.log, k.common.logSize, k.trueSize())
	}
	return nil
}

// writeLog writes as far as there is room: the log's end, from Linux 6.4 on, and
// before its beginning. An error says that there was too little.
func (k *call) writeLog(text string, address uint64, size uint32, trueSize uint64) error {
	whole := append([]byte(text), 0)
	if trueSize != 0 {
		if err := k.write(Segment{trueSize, native.AppendUint32(nil, uint32(len(whole)))}); err != nil {
			return err
		}
	}
	if size == 0 {
		return nil
	}
	written := whole
	if uint32(len(whole)) > size {
		written = append([]byte(text)[:size-1:size-1], 0)
		if !k.kernel.Running().Before(fake.Version(6, 4)) {
			written = whole[uint32(len(whole))-size:]
		}
	}
	if err := k.write(Segment{address, written}); err != nil {
		return err
	}
	if len(written) < len(whole) {
		return refuse("load/log-size", mprog.ENOSPC, "the log has %d bytes, log_size is %d", len(whole), size)
	}
	return nil
}

// processed is the log's last line.
func processed(insns int) string {
	return fmt.Sprintf("processed %d insns (limit %d) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n", insns, maxInsns)
}

// verifierSays refuses a program with a line in the verifier's log, of an instruction
// that the verifier has come to, or of none (-1).
func (k *call) verifierSays(at int, line string) error {
	return k.verifierSaysErrno(at, mprog.EINVAL, line)
}

func (k *call) verifierSaysErrno(at int, errno mprog.Errno, line string) error {
	text := line
	if line != "" {
		text += "\n"
	}
	if err := k.log(text + processed(at+1)); err != nil {
		return err
	}
	if at < 0 {
		return refuse("load/verifier", errno, "%s", line)
	}
	return refuse("load/verifier", errno, "instruction %d: %s", at, line)
}
