//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/perf"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/internal/doctor"
)

// What bpf_perf_event_output writes, when it wakes and what it refuses is what Linux
// 6.12, 6.18 and 7.3 printed, for the target that was run there as root.
func TestSamples(t *testing.T) {
	doctor.Need(t, "tun") // for packets
	require.Equal(t, recordedSamples(t), output(t, target(t, "", "samples")))
}

// The running kernel prints it, too, where programs may be loaded.
func TestSamplesOfRunningKernel(t *testing.T) {
	doctor.Need(t, "bpf")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.CommandContext(ctx, self)
	c.Env = append(os.Environ(), targetVariable+"=samples")
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	require.NoError(t, c.Run(), out.String())
	require.Equal(t, recordedSamples(t), out.String())
}

// recordedSamples is what Linux printed, without the last line where there is one CPU.
func recordedSamples(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/samples.txt")
	require.NoError(t, err)
	if runtime.NumCPU() > 1 {
		return string(text)
	}
	return strings.TrimSuffix(string(text), "of another CPU: -95\n")
}

func TestPerfReader(t *testing.T) {
	doctor.Need(t, "tun")
	require.Equal(t, "10 read, 0 lost, deadline\n", output(t, target(t, "", "reader")))
}

// readerTarget reads samples as agents do, and waits for the next one until it is late.
func readerTarget() error {
	s := &sampler{entries: uint32(possibleCPUs())}
	if err := s.load(); err != nil {
		return err
	}
	r, err := perf.NewReader(s.events, os.Getpagesize())
	if err != nil {
		return err
	}
	defer r.Close()
	read, lost := 0, uint64(0)
	for i := range 10 {
		if n := s.write(currentCPU, 100+i); n != 0 {
			return fmt.Errorf("write: %d", n)
		}
		record, err := r.Read()
		if err != nil {
			return err
		}
		lost += record.LostSamples
		if len(record.RawSample) >= 100+i && record.RawSample[99+i] == byte(100+i) {
			read++
		}
	}
	r.SetDeadline(time.Now().Add(time.Millisecond))
	_, err = r.Read()
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("a sample that nobody wrote: %w", err)
	}
	fmt.Printf("%d read, %d lost, deadline\n", read, lost)
	return nil
}
