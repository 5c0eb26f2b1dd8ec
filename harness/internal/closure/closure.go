// Package closure finds what a program needs to run apart from itself: the
// interpreter of a script, the dynamic loader and the shared libraries of an
// ELF file.
package closure

import (
	"bufio"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Needs returns the absolute paths of the files that the file at path needs
// directly or, for libraries, indirectly. The interpreter of a script is in
// the list, but not what that interpreter needs. A file that is neither ELF
// nor a script needs nothing.
func Needs(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, 256)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte("#!")):
		return script(head)
	case bytes.HasPrefix(head, []byte(elf.ELFMAG)):
		return binary(path, f)
	}
	return nil, nil
}

// script returns the interpreter named in a script's first line and, if that
// is env(1), the program env would start.
func script(head []byte) ([]string, error) {
	line, _, _ := strings.Cut(string(head[2:]), "\n")
	words := strings.Fields(line)
	if len(words) == 0 || !filepath.IsAbs(words[0]) {
		return nil, nil
	}
	needs := words[:1:1]
	if filepath.Base(words[0]) != "env" {
		return needs, nil
	}
	for _, w := range words[1:] {
		if strings.HasPrefix(w, "-") || strings.Contains(w, "=") {
			continue
		}
		prog, err := exec.LookPath(w)
		if err != nil {
			return nil, fmt.Errorf("find interpreter: %w", err)
		}
		return append(needs, prog), nil
	}
	return needs, nil
}

// binary asks the program's own dynamic loader which libraries it would load,
// which is exact whatever the search path, and works for glibc and musl.
func binary(path string, r io.ReaderAt) ([]string, error) {
	f, err := elf.NewFile(r)
	if err != nil {
		// Half an ELF file in a directory of test data is not an error.
		return nil, nil
	}
	loader := ""
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		b, err := io.ReadAll(p.Open())
		if err != nil {
			return nil, fmt.Errorf("read ELF interpreter of %s: %w", path, err)
		}
		loader = strings.TrimRight(string(b), "\x00")
	}
	if loader == "" {
		return nil, nil
	}
	var stderr bytes.Buffer
	cmd := exec.Command(loader, "--list", path)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list shared libraries of %s: %w: %s", path, err, bytes.TrimSpace(stderr.Bytes()))
	}
	libs, err := parseList(bytes.NewReader(out))
	if err != nil {
		return nil, fmt.Errorf("list shared libraries of %s: %w", path, err)
	}
	return append([]string{loader}, libs...), nil
}

// parseList reads the output of "ld.so --list": lines such as
// "libc.so.6 => /lib/libc.so.6 (0x00007f00)" or "/lib64/ld.so (0x00007f00)".
func parseList(r io.Reader) ([]string, error) {
	var libs []string
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		name, target, arrow := strings.Cut(line, " => ")
		if !arrow {
			target = name
		}
		if strings.HasPrefix(target, "not found") {
			return nil, fmt.Errorf("library %s not found", name)
		}
		if i := strings.LastIndex(target, " (0x"); i >= 0 {
			target = target[:i]
		}
		// linux-vdso.so.1 is no file.
		if filepath.IsAbs(target) {
			libs = append(libs, target)
		}
	}
	return libs, lines.Err()
}
