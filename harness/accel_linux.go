package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nkconform/nkconform/harness/image"
)

// kvmBootTimeout is enough for a guest under KVM to say its first word.
const kvmBootTimeout = 30 * time.Second

// tryKVM boots with KVM if it is there, and without it if it is not or does
// not work: /dev/kvm can be opened on hosts where no kernel boots with it,
// and only booting one tells. Nothing has run in a guest that never spoke, so
// doing it again is safe. What came of it is remembered until the host boots.
func tryKVM(ctx context.Context, c Command, boot func(c Command, accel string) (Result, error)) (Result, error) {
	if !canOpenKVM() || kvmIsBroken() {
		return boot(c, "tcg")
	}
	first := c
	first.BootTimeout = min(kvmBootTimeout, cmp.Or(c.BootTimeout, kvmBootTimeout))
	res, err := boot(first, "kvm")
	var noBoot *BootError
	if !errors.As(err, &noBoot) || ctx.Err() != nil {
		return res, err
	}
	if noBoot.File != "" {
		os.Remove(noBoot.File)
	}
	if c.Progress != nil {
		fmt.Fprintf(c.Progress, "%s does not boot with KVM within %v: it is tried without\n", c.Image.Ref, first.BootTimeout)
	}
	if res, err = boot(c, "tcg"); !errors.As(err, &noBoot) {
		noteKVMBroken()
	}
	return res, err
}

// kvmBroken is set once KVM has failed to boot what emulation boots. A file in
// the cache, which holds the host's boot id, tells later processes.
var kvmBroken atomic.Bool

func kvmIsBroken() bool {
	if kvmBroken.Load() {
		return true
	}
	file, id, err := kvmNote()
	if err != nil {
		return false
	}
	noted, err := os.ReadFile(file)
	return err == nil && string(noted) == id
}

// noteKVMBroken remembers that KVM is of no use; a cache that cannot be written
// is no reason to fail.
func noteKVMBroken() {
	kvmBroken.Store(true)
	if file, id, err := kvmNote(); err == nil && os.MkdirAll(filepath.Dir(file), 0o755) == nil {
		_ = os.WriteFile(file, []byte(id), 0o644)
	}
}

// kvmNote returns the file of the cache, and what it holds if KVM has failed
// since the host was booted.
func kvmNote() (file, id string, err error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", "", err
	}
	cache, err := image.CacheDir()
	return filepath.Join(cache, "kvm", "broken"), string(b), err
}

func canOpenKVM() bool {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

var (
	cpuinfoMHz  = regexp.MustCompile(`(?m)^cpu MHz\s*: (\d+\.\d+)$`)
	cpuinfoName = regexp.MustCompile(`(?m)^model name\s*:.* @ (\d+\.\d+)GHz$`)
)

// tscKHz returns the frequency of the host's time stamp counter, which an
// emulated processor shows its guest, in kHz; "" if it cannot be told.
func tscKHz() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	return parseTSC(string(b))
}

// parseTSC prefers the nominal frequency, at which the counter runs, to the
// current one.
func parseTSC(cpuinfo string) string {
	for _, try := range []struct {
		re    *regexp.Regexp
		toKHz float64
	}{{cpuinfoName, 1e6}, {cpuinfoMHz, 1e3}} {
		if m := try.re.FindStringSubmatch(cpuinfo); m != nil {
			if f, err := strconv.ParseFloat(m[1], 64); err == nil {
				return strconv.Itoa(int(f*try.toKHz + 0.5))
			}
		}
	}
	return ""
}
