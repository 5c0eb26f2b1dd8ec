// Package closure finds what a program needs to run apart from itself: the
// interpreter of a script, the dynamic loader and the shared libraries of an
// ELF file.
package closure

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Needs is what a file needs to run.
type Needs struct {
	// Files are absolute paths of what it needs directly or, for libraries,
	// indirectly. The interpreter of a script is among them, but not what that
	// interpreter needs.
	Files []string
	// Missing names what it needs and this machine does not have: the path of an
	// interpreter, or the name of a program or library. Optional.
	Missing string
}

// Of returns what the file at path needs. A file that is neither ELF nor a
// script that somebody may execute needs nothing.
func Of(path string) (Needs, error) {
	f, err := os.Open(path)
	if err != nil {
		return Needs{}, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return Needs{}, err
	}
	head := make([]byte, 256)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return Needs{}, err
	}
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte("#!")) && fi.Mode()&0o111 != 0:
		return script(head), nil
	case bytes.HasPrefix(head, []byte(elf.ELFMAG)):
		return binary(path, f)
	}
	return Needs{}, nil
}

// script returns the interpreter named in a script's first line and, if that
// is env(1), the program env would start.
func script(head []byte) Needs {
	line, _, _ := strings.Cut(string(head[2:]), "\n")
	words := strings.Fields(line)
	if len(words) == 0 || !filepath.IsAbs(words[0]) {
		return Needs{}
	}
	if _, err := os.Stat(words[0]); err != nil {
		return Needs{Missing: words[0]}
	}
	needs := Needs{Files: words[:1:1]}
	if filepath.Base(words[0]) != "env" {
		return needs
	}
	for _, w := range words[1:] {
		if strings.HasPrefix(w, "-") || strings.Contains(w, "=") {
			continue
		}
		if prog, err := exec.LookPath(w); err != nil {
			needs.Missing = w
		} else {
			needs.Files = append(needs.Files, prog)
		}
		break
	}
	return needs
}

// binary asks the program's own dynamic loader which libraries it would load,
// which is exact whatever the search path, and works for glibc and musl. A
// library that names no loader is for those of this machine.
func binary(path string, r io.ReaderAt) (Needs, error) {
	f, err := elf.NewFile(r)
	if err != nil {
		// Half an ELF file in a directory of test data is not an error.
		return Needs{}, nil
	}
	loader, err := interpreter(f)
	if err != nil {
		return Needs{}, fmt.Errorf("read ELF interpreter of %s: %w", path, err)
	}
	if loader == "" {
		libs, err := f.ImportedLibraries()
		if err != nil || len(libs) == 0 || f.Type != elf.ET_DYN {
			return Needs{}, nil
		}
		if loader = ownLoader(f.Machine); loader == "" {
			return Needs{}, nil // another machine's
		}
	}
	if _, err := os.Stat(loader); err != nil {
		return Needs{Missing: loader}, nil
	}
	var stderr bytes.Buffer
	cmd := exec.Command(loader, "--list", path)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return Needs{Missing: notFound(stderr.String())}, nil
	}
	needs := parseList(string(out))
	needs.Files = append([]string{loader}, needs.Files...)
	return needs, nil
}

// interpreter returns the loader that an ELF file names, if it does.
func interpreter(f *elf.File) (string, error) {
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			b, err := io.ReadAll(p.Open())
			return strings.TrimRight(string(b), "\x00"), err
		}
	}
	return "", nil
}

// ownLoader returns the loader of this system for a machine, or nothing if there
// is none.
func ownLoader(machine elf.Machine) string {
	for _, path := range map[elf.Machine][]string{
		elf.EM_X86_64:  {"/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1"},
		elf.EM_AARCH64: {"/lib/ld-linux-aarch64.so.1", "/lib/ld-musl-aarch64.so.1"},
	}[machine] {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

// missingLibrary matches how the loaders of glibc and musl say that.
var missingLibrary = regexp.MustCompile(`(?:libraries: |shared library )([^\s:]+):`)

// notFound names what a loader says that it has not found.
func notFound(stderr string) string {
	if m := missingLibrary.FindStringSubmatch(stderr); m != nil {
		return m[1]
	}
	line, _, _ := strings.Cut(strings.TrimSpace(stderr), "\n")
	return "a part of it: " + line
}

// parseList reads the output of "ld.so --list": lines such as
// "libc.so.6 => /lib/libc.so.6 (0x00007f00)" or "/lib64/ld.so (0x00007f00)".
func parseList(out string) (needs Needs) {
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		name, target, arrow := strings.Cut(line, " => ")
		if !arrow {
			target = line
		} else if strings.HasPrefix(target, "not found") {
			needs.Missing = name
		}
		if i := strings.LastIndex(target, " (0x"); i >= 0 {
			target = target[:i]
		}
		// linux-vdso.so.1 is no file.
		if filepath.IsAbs(target) {
			needs.Files = append(needs.Files, target)
		}
	}
	return needs
}
