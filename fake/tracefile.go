package fake

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// TraceDir is the environment variable that names a folder. When it is set,
// every machine writes its calls there when it is shut down: a trace a file,
// named after the test.
const TraceDir = "NKCONFORM_TRACE"

// recordIfAsked makes every machine record its calls, where the variable is set.
func (k *Kernel) recordIfAsked() {
	if os.Getenv(TraceDir) != "" {
		k.recording, k.test = true, callingTest()
	}
}

// leaveTrace writes the calls where the variable says.
func (k *Kernel) leaveTrace() error {
	if dir := os.Getenv(TraceDir); dir != "" {
		return k.writeTrace(dir)
	}
	return nil
}

// writeTrace writes the calls into a folder, the whole file or none.
func (k *Kernel) writeTrace(dir string) error {
	f := k.Trace()
	if f == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("write trace: %w", err)
	}
	tmp, err := os.CreateTemp(dir, ".trace-*")
	if err != nil {
		return fmt.Errorf("write trace: %w", err)
	}
	defer os.Remove(tmp.Name()) // gone already when all went well
	_, err = tmp.WriteString(f.String())
	if errClose := tmp.Close(); err == nil {
		err = errClose
	}
	if err == nil {
		err = os.Chmod(tmp.Name(), 0o666)
	}
	for n := 1; err == nil; n++ {
		// Another machine of the test may have its file already.
		file := filepath.Join(dir, fileName(k.test, n))
		if err = os.Link(tmp.Name(), file); err == nil {
			return nil
		}
		if errors.Is(err, fs.ErrExist) {
			err = nil
		} else if os.Rename(tmp.Name(), file) == nil { // a file system without links
			return nil
		}
	}
	return fmt.Errorf("write trace: %w", err)
}

// fileName returns a name for the nth trace of a test.
func fileName(test string, n int) string {
	name := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.ContainsRune("-_.", c):
			return c
		}
		return '_'
	}, test)
	if name == "" {
		name = "fake"
	}
	if n > 1 {
		name += fmt.Sprintf("-%d", n)
	}
	return strings.TrimLeft(name, ".") + ".trace"
}

// callingTest finds the test or benchmark among the callers, for machines that
// were not told.
func callingTest() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		name := f.Function[strings.LastIndexByte(f.Function, '/')+1:]
		_, name, _ = strings.Cut(name, ".")
		for _, prefix := range []string{"Test", "Benchmark", "Example", "Fuzz"} {
			if strings.HasPrefix(name, prefix) {
				name, _, _ = strings.Cut(name, ".")
				return name
			}
		}
		if !more {
			return ""
		}
	}
}
